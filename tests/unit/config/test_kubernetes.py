"""The syntax that Kubernetes accepts, held against its own documentation's examples and grammar."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kedro_airflow_k8s.config import kubernetes as k8s

# The grammar in the API reference of Quantity, spelt out as a table of exact fractions.
MULTIPLIERS = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
EXPONENTS = {
    f"{letter}{sign}{power}": Fraction(10) ** (-power if sign == "-" else power)
    for letter in "eE"
    for sign in ("", "+", "-")
    for power in range(25)
}
digits = st.text("0123456789", min_size=1, max_size=6)
numbers = st.one_of(
    digits,
    st.builds("{}.{}".format, digits, digits),
    st.builds("{}.".format, digits),
    st.builds(".{}".format, digits),
)
signs = st.sampled_from(["", "+", "-"])
suffixes = st.sampled_from(sorted({**MULTIPLIERS, **EXPONENTS}.items()))


def exact(number: str) -> Fraction:
    whole, _, rest = number.partition(".")
    return Fraction(int(f"0{whole}{rest}"), 10 ** len(rest))


@given(signs, numbers, suffixes)
@example("", "1", ("Ei", MULTIPLIERS["Ei"]))
@example("", "8", ("Ei", MULTIPLIERS["Ei"]))
@example("", "1", ("E", MULTIPLIERS["E"]))
@example("", "1", ("E2", EXPONENTS["E2"]))
def test_a_quantity_of_the_documented_grammar_has_its_exact_value(
    sign: str, number: str, suffix: tuple[str, Fraction]
) -> None:
    value = exact(number) * suffix[1] * (-1 if sign == "-" else 1)
    text = sign + number + suffix[0]

    if abs(value) > 2**63 - 1:
        with pytest.raises(ValueError, match=r"2\^63-1"):
            k8s.parse_quantity(text)
    else:
        assert Fraction(k8s.parse_quantity(text)) == value


def in_grammar(text: str) -> bool:
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    suffix = unsigned.lstrip("0123456789.")
    number = unsigned[: len(unsigned) - len(suffix)]
    power = suffix[2:] if suffix[1:2] in ("+", "-") else suffix[1:]
    is_exponent = suffix[:1] in ("e", "E") and power != "" and set(power) <= set("0123456789")
    is_number = number.strip(".") != "" and number.count(".") <= 1
    return is_number and (suffix in MULTIPLIERS or is_exponent)


@given(st.text("0123456789+-.eEKMGimknu", max_size=8))
@example("1K")
@example("1ki")
@example("1e")
@example("1E")
@example("1E+")
@example(".")
@example("")
def test_a_text_is_a_quantity_exactly_when_the_documented_grammar_has_it(text: str) -> None:
    try:
        k8s.parse_quantity(text)
        accepted = True
    except ValueError as error:
        accepted = "2^63-1" in str(error)

    assert accepted == in_grammar(text)


@given(st.text())
@example("1e999999999")
@example("1e-999999999")
@example("0e999999999")
@example("9" * 5000)
@example("1\n")
@example("\N{ARABIC-INDIC DIGIT ONE}")
def test_any_text_is_either_a_quantity_or_refused_with_a_reason(text: str) -> None:
    reason = k8s.quantity_reason(text)

    if reason is None:
        assert k8s.parse_quantity(text) >= 0
    else:
        assert reason.startswith("must ")


@pytest.mark.parametrize("text", ["0", "1", "500m", "1.5Gi", "64Mi", "1e3", "129M", ".5", "123Mi"])
def test_an_amount_can_be_requested(text: str) -> None:
    assert k8s.quantity_reason(text) is None


@pytest.mark.parametrize(
    "text", ["-1", "-500m", "1 Gi", "1gb", "1GB", "Gi", "1,5Gi", "0x10", "inf"]
)
def test_a_negative_amount_and_what_is_not_an_amount_cannot_be_requested(text: str) -> None:
    assert str(k8s.quantity_reason(text)).startswith("must ")


@pytest.mark.parametrize(
    ("name", "amount"),
    [("cpu", "1"), ("ephemeral-storage", "1Gi"), ("hugepages-2Mi", "4Mi"), ("nvidia.com/gpu", "2")],
)
def test_a_container_can_request_standard_resources_and_devices(name: str, amount: str) -> None:
    assert k8s.resource_reason(name, amount) is None


def test_a_misspelt_resource_is_answered_with_the_nearest_name() -> None:
    assert "Did you mean 'memory'?" in str(k8s.resource_reason("memroy", "1Gi"))


def test_half_a_device_cannot_be_requested() -> None:
    assert "whole number" in str(k8s.resource_reason("nvidia.com/gpu", "500m"))


@pytest.mark.parametrize("text", ["a", "0", "airflow", "my-team-2", "a" * 63])
def test_a_dns_label_is_accepted(text: str) -> None:
    assert k8s.dns_label_reason(text) is None
    assert k8s.is_dns_subdomain(text)


@pytest.mark.parametrize("text", ["", "A", "a_b", "-a", "a-", "a" * 64, "a b", "ä", "a\n", "a.b"])
def test_what_is_not_a_dns_label_is_refused(text: str) -> None:
    assert k8s.dns_label_reason(text)


@pytest.mark.parametrize("text", ["a.b", "my-secret.v1", "a" * 253])
def test_a_dns_name_of_several_parts_is_accepted(text: str) -> None:
    assert k8s.is_dns_subdomain(text)


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a.", "a.-b", "A.b", "a_b", "a" * 254, "a\n"])
def test_what_is_not_a_dns_name_is_refused(text: str) -> None:
    assert not k8s.is_dns_subdomain(text)


@pytest.mark.parametrize(
    "key", ["app", "App_1", "example.com/role", "iam.amazonaws.com/role", "a/" + "b" * 63]
)
def test_a_label_key_is_accepted(key: str) -> None:
    assert k8s.label_key_reason(key) is None


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("node_pool_label/k8s.io", "'node_pool_label', the part before"),
        ("/a", "'', the part before"),
        ("a/b/c", "'a/b', the part before"),
        ("a/", "'', the part after"),
        ("-a", "'-a' must"),
        ("a" * 64, "63 characters"),
        ("", "1 to 63"),
        ("a b", "'a b' must"),
    ],
)
def test_a_label_key_that_kubernetes_refuses_is_refused_with_the_part_at_fault(
    key: str, part: str
) -> None:
    assert part in str(k8s.label_key_reason(key))


@pytest.mark.parametrize("value", ["", "a", "huge.10x", "A_b-C", "a" * 63])
def test_a_label_value_is_accepted(value: str) -> None:
    assert k8s.label_value_reason(value) is None


@pytest.mark.parametrize("value", ["a b", "-a", "a-", "a" * 64, "a/b", "é", "a\n"])
def test_a_label_value_that_kubernetes_refuses_is_refused(value: str) -> None:
    assert k8s.label_value_reason(value) is not None


@pytest.mark.parametrize("key", ["tls.crt", "sql_alchemy_conn", "A-b", ".dot"])
def test_a_secret_key_is_accepted(key: str) -> None:
    assert k8s.secret_key_reason(key) is None


@pytest.mark.parametrize("key", ["", ".", "..", "..a", "a/b", "a b", "a" * 254])
def test_a_secret_key_that_kubernetes_refuses_is_refused(key: str) -> None:
    assert k8s.secret_key_reason(key) is not None


@pytest.mark.parametrize("name", ["SQL_CONN", "_a", "a.b-c", "PATH2"])
def test_an_environment_variable_is_accepted(name: str) -> None:
    assert k8s.env_name_reason(name) is None


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "..", "..A", "."])
def test_an_environment_variable_that_kubernetes_refuses_is_refused(name: str) -> None:
    assert k8s.env_name_reason(name) is not None


@pytest.mark.parametrize("path", ["/a", "/home/kedro_docker/data", "/a b/ä"])
def test_a_mount_path_is_accepted(path: str) -> None:
    assert k8s.mount_path_reason(path) is None


@pytest.mark.parametrize(
    "path", ["", "/", "a", "a/b", "/a:b", "/a/", "//a", "/a/../b", "/./a", "/a\0"]
)
def test_a_mount_path_that_cannot_be_mounted_is_refused(path: str) -> None:
    assert k8s.mount_path_reason(path) is not None


@pytest.mark.parametrize(
    ("toleration", "fields"),
    [
        (("group", None, "data", "NoExecute", 60), set()),
        (("group", "Equal", None, None, None), set()),
        ((None, "Exists", None, None, None), set()),
        ((None, None, None, None, None), {"key"}),
        ((None, "Equal", "a", None, None), {"key"}),
        (("a_/b", None, None, None, None), {"key"}),
        (("a", "Exists", "b", None, None), {"value"}),
        (("a", "Equal", "b c", None, None), {"value"}),
        (("a", None, None, "NoSchedule", 3), {"toleration_seconds"}),
        (("a", None, None, None, 3), {"toleration_seconds"}),
        ((None, None, "b c", None, 3), {"key", "value", "toleration_seconds"}),
    ],
)
def test_a_toleration_is_refused_at_the_fields_where_kubernetes_refuses_it(
    toleration: tuple[str | None, str | None, str | None, str | None, int | None], fields: set[str]
) -> None:
    assert set(k8s.toleration_problems(*toleration)) == fields
