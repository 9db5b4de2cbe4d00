"""Settings of pods that Kubernetes or the DAG could not have are refused before a deploy."""

from __future__ import annotations

import pytest
import yaml

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.errors import ConfigError


def run(text: str) -> RunConfig:
    return load_config({"run_config": {"image": "a:1", **yaml.safe_load(text)}}, "f").run_config


def refusals(text: str) -> dict[str, str]:
    """The mistakes of settings of pods: path below `run_config`, and message."""
    with pytest.raises(ConfigError) as caught:
        run(text)
    lines = [line.strip().partition(": ") for line in str(caught.value).splitlines()[1:]]
    return {path.removeprefix("run_config."): message for path, _, message in lines}


FOREIGN_VOLUME = "is the name of a volume that the DAG makes itself: choose another"
REFUSED: list[tuple[str, str, str]] = [
    # Environment variables.
    ("env_vars: {A: {from_field: status.podip}}", "env_vars.A.from_field", "'status.podIP'?"),
    ("env_vars: {A: {from_field: spec.foo}}", "env_vars.A.from_field", "must be a field of the"),
    ("env_vars: {A: {from_resource: cpu}}", "env_vars.A.from_resource", "such as limits.cpu"),
    (
        "env_vars: {A: {from_resource: limits.cpu, divisor: 1Mi}}",
        "env_vars.A.divisor",
        "must be one of 1, 1m for limits.cpu",
    ),
    (
        "env_vars: {A: {from_field: status.podIP, divisor: '1'}}",
        "env_vars.A.divisor",
        "must be omitted: it is for `from_resource`",
    ),
    (
        "env_vars: {A: {from_field: status.podIP, from_resource: limits.cpu}}",
        "env_vars.A",
        "not from_field and from_resource",
    ),
    ("env_vars: {A: {}}", "env_vars.A", "must have one of from_airflow_variable"),
    ("env_vars: {A: {fieldRef: x}}", "env_vars.A.fieldRef", "Did you mean 'from_field'?"),
    ("env_vars: [5]", "env_vars", "must be keys with values"),
    # Volumes.
    ("volumes: {v: {mount_path: /v}}", "volumes.v", "such as `empty_dir: {}`"),
    ("volumes: {v: {claim: a, empty_dir: {}}}", "volumes.v", "not claim and empty_dir"),
    ("volumes: {v: {claim: a, sub_path: x}}", "volumes.v", "`sub_path` without a `mount_path`"),
    (
        "volumes: {v: {claim: a, mount_path: /v, sub_path: a/../b}}",
        "volumes.v.sub_path",
        "must be a relative path",
    ),
    ("volumes: {data: {claim: a}}", "volumes.data", FOREIGN_VOLUME),
    ("volumes: {shared-memory: {claim: a}}", "volumes.shared-memory", FOREIGN_VOLUME),
    ("volumes: {secret-0: {claim: a}}", "volumes.secret-0", FOREIGN_VOLUME),
    ("volumes: {My_v: {claim: a}}", "volumes.My_v", "must be a DNS label"),
    ("volumes: {v: {pvc: a}}", "volumes.v.pvc", "Did you mean 'claim'?"),
    ("volumes: {v: {emptyDir: {}}}", "volumes.v.emptyDir", "Did you mean 'empty_dir'?"),
    ("shared_memory: 2GB", "shared_memory", "must be a Kubernetes quantity"),
    # Two at one place.
    (
        "{config_maps: [{config_map: a, key: k, deploy_target: A}], env_vars: {A: b}}",
        "config_maps[0].deploy_target",
        "must differ from env_vars.A",
    ),
    (
        (
            "{config_maps: [{config_map: a, key: k, deploy_target: A}],"
            " secrets: [{secret: s, key: k, deploy_target: A}]}"
        ),
        "config_maps[0].deploy_target",
        "must differ from secrets[0].deploy_target",
    ),
    (
        "volumes: {a: {claim: b, mount_path: /v}, c: {claim: d, mount_path: /v}}",
        "volumes.c.mount_path",
        "must differ from volumes.a.mount_path",
    ),
    (
        "{volumes: {a: {claim: b, mount_path: /dev/shm}}, shared_memory: 1Gi}",
        "volumes.a.mount_path",
        "must differ from shared_memory",
    ),
    (
        "volumes: {a: {claim: b, mount_path: /home/kedro_docker/data}}",
        "volumes.a.mount_path",
        "must differ from run_config.volume.mount_path",
    ),
    (
        "volumes: {a: {claim: b, mount_path: /home/kedro_docker/data/x}}",
        "volumes.a.mount_path",
        "or set run_config.volume.skip_init",
    ),
    # Rights.
    ("security_context: restrcted", "security_context.profile", "Did you mean 'restricted'?"),
    (
        "security_context: {runAsUser: 1}",
        "security_context.runAsUser",
        "Did you mean 'pod.runAsUser'?",
    ),
    (
        "security_context: {profile: restricted, pod: {runAsUser: 0}}",
        "security_context.pod.runAsUser",
        "0 is root",
    ),
    (
        "security_context: {profile: restricted, container: {privileged: true}}",
        "security_context.container.privileged",
        "does not allow it",
    ),
    (
        "security_context: {profile: restricted, container: {capabilities: {drop: [KILL]}}}",
        "security_context.container.capabilities.drop",
        "demands ALL",
    ),
    (
        "security_context: {profile: restricted, container: {capabilities: {add: [KILL]}}}",
        "security_context.container.capabilities.add",
        "allows NET_BIND_SERVICE alone",
    ),
    # Containers.
    ("init_containers: [{name: base}]", "init_containers[0].name", "names of the other"),
    ("init_containers: [{name: a}, {name: a}]", "init_containers[1].name", "names of the other"),
    ("{init_containers: [{name: a}], sidecars: [{name: a}]}", "sidecars[0].name", "the other"),
    ("sidecars: [{image: a}]", "sidecars[0].name", "is missing: Kubernetes requires it"),
    ("sidecars: [{name: a, comand: []}]", "sidecars[0].comand", "Did you mean 'command'?"),
    (
        "sidecars: [{name: a, env: [{name: A, value: 1}]}]",
        "sidecars[0].env[0].value",
        "must be a string: put it in quotes",
    ),
    (
        "init_containers: [{name: a, restartPolicy: Always}]",
        "init_containers[0].restartPolicy",
        "containers that keep running belong under `sidecars`",
    ),
    (
        (
            "{volumes: {v: {empty_dir: {}}},"
            " init_containers: [{name: a, volumeMounts: [{name: x, mountPath: /x}]}]}"
        ),
        "init_containers[0].volumeMounts[0].name",
        "must be a volume: data, v",
    ),
    # Kubernetes' own YAML.
    ("affinity: {node_affinity: {}}", "affinity.node_affinity", "Did you mean 'nodeAffinity'?"),
    ("topology_spread: [{maxSkew: 1}]", "topology_spread[0].topologyKey", "is missing"),
    ("host_aliases: [{hostnames: [a]}]", "host_aliases[0].ip", "is missing"),
    ("dns: {policy: None}", "dns.nameservers", "is missing"),
    ("pod: {spec: {enableServiceLink: true}}", "pod.spec.enableServiceLink", "'enableServiceL"),
    ("pod: {kind: Pod}", "pod.kind", "only `metadata` and `spec` are allowed"),
    ("pod: {metadata: {name: x}}", "pod.metadata.name", "only labels and annotations"),
    ("pod: {spec: {restartPolicy: Never}}", "pod.spec.restartPolicy", "the DAG sets it"),
    ("pod: {spec: {nodeName: a}}", "pod.spec.nodeName", "use `node_selectors`"),
    ("pod: {spec: {volumes: [{name: data}]}}", "pod.spec.volumes[0].name", FOREIGN_VOLUME),
    (
        "pod: {spec: {containers: [{name: other}]}}",
        "pod.spec.containers[0].name",
        "must be base: other containers belong under `sidecars`",
    ),
    (
        "pod: {spec: {initContainers: [{name: base}]}}",
        "pod.spec.initContainers[0].name",
        "must not be base",
    ),
    # Kubernetes' names of our keys.
    ("nodeSelector: {}", "nodeSelector", "Did you mean 'run_config.node_selectors'?"),
    ("serviceAccountName: a", "serviceAccountName", "Did you mean 'service_account_name'?"),
    ("topologySpreadConstraints: []", "topologySpreadConstraints", "'run_config.topology_spread'?"),
    ("volumeMounts: []", "volumeMounts", "Did you mean 'run_config.volumes'?"),
    ("hostNetwork: true", "hostNetwork", "Did you mean 'run_config.pod'?"),
    ("enableServiceLinks: false", "enableServiceLinks", "Did you mean 'run_config.pod'?"),
    ("env_vars: {A: {valueFrom: {}}}", "env_vars.A.valueFrom", "Did you mean 'from_field'?"),
    (
        "volumes: {v: {empty_dir: {sizeLimit: 1Gi}}}",
        "volumes.v.empty_dir.sizeLimit",
        "Did you mean 'size'?",
    ),
    ("resources: {gpu: {resources: {}}}", "resources.gpu.resources", "Did you mean 'requests'?"),
    (
        "resources: {gpu: {topologySpreadConstraints: []}}",
        "resources.gpu.topologySpreadConstraints",
        "Did you mean 'topology_spread'?",
    ),
]


@pytest.mark.parametrize(("text", "path", "reason"), REFUSED, ids=lambda each: str(each)[:60])
def test_a_mistake_is_refused_at_its_key_with_the_way_out(
    text: str, path: str, reason: str
) -> None:
    found = refusals(text)

    assert reason in found[path]


@pytest.mark.parametrize(("field", "value"), [("command", "[a]"), ("args", "[a]"), ("image", "a")])
def test_raw_yaml_cannot_change_what_the_container_of_the_nodes_runs(
    field: str, value: str
) -> None:
    text = f"pod: {{spec: {{containers: [{{name: base, {field}: {value}}}]}}}}"

    assert "must be omitted" in refusals(text)[f"pod.spec.containers[0].{field}"]


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ("env: [{name: KEDRO_AIRFLOW_K8S_TASK, value: a}]", "env[0].name"),
        ("volumeMounts: [{name: data, mountPath: /x}]", "volumeMounts[0].name"),
        ("volumeMounts: [{name: nothing, mountPath: /x}]", "volumeMounts[0].name"),
    ],
)
def test_raw_yaml_cannot_take_our_variables_and_mounts_or_mount_what_is_not_there(
    part: str, path: str
) -> None:
    text = f"pod: {{spec: {{containers: [{{name: base, {part}}}]}}}}"

    assert list(refusals(text)) == [f"pod.spec.containers[0].{path}"]


def test_raw_yaml_may_mount_the_volumes_that_it_adds_and_so_may_init_containers() -> None:
    found = run(
        """
        init_containers: [{name: a, volumeMounts: [{name: v, mountPath: /v}]}]
        pod:
          spec:
            volumes: [{name: v, emptyDir: {}}]
            containers: [{name: base, volumeMounts: [{name: v, mountPath: /v}]}]
        """
    )

    assert found.pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ("volumes: {a: {nfs: {server: x, path: /y}}}", "volumes.a.nfs"),
        ("volumes: {a: {host_path: /y}}", "volumes.a.host_path"),
        (
            "init_containers: [{name: a, securityContext: {privileged: true}}]",
            "init_containers[0].securityContext.privileged",
        ),
        (
            "sidecars: [{name: a, securityContext: {runAsUser: 0}}]",
            "sidecars[0].securityContext.runAsUser",
        ),
        ("pod: {spec: {hostNetwork: true}}", "pod.spec.hostNetwork"),
        (
            "pod: {spec: {volumes: [{name: a, hostPath: {path: /a}}]}}",
            "pod.spec.volumes[0].hostPath",
        ),
        (
            "pod: {spec: {securityContext: {runAsNonRoot: false}}}",
            "pod.spec.securityContext.runAsNonRoot",
        ),
        (
            (
                "pod: {spec: {containers: [{name: base,"
                " securityContext: {allowPrivilegeEscalation: true}}]}}"
            ),
            "pod.spec.containers[0].securityContext.allowPrivilegeEscalation",
        ),
    ],
)
def test_what_a_restricted_namespace_refuses_is_refused_before_and_else_taken(
    settings: str, path: str
) -> None:
    found = refusals(f"{{security_context: restricted, {settings}}}")

    assert list(found) == [path]
    assert "does not allow" in found[path]
    assert run(settings).security_context.profile is None


@pytest.mark.parametrize("path", ["/home", "/home/kedro_docker"])
def test_a_mount_that_would_hide_the_project_in_the_image_is_refused(path: str) -> None:
    volume = {"cache": {"empty_dir": {}, "mount_path": path}}
    with pytest.raises(ConfigError) as caught:
        load_config({"run_config": {"volumes": volume}}, "x")
    assert (
        "run_config.volumes.cache.mount_path: found the text"
        f" {path!r}; must not be above /home/kedro_docker/data: it would hide the project in the"
        " image" in str(caught.value)
    )


def test_what_pod_adds_to_the_container_of_the_nodes_must_differ_from_what_it_has() -> None:
    container = """{name: base, env: [{name: A, value: b}], volumeMounts: [
        {name: more, mountPath: /home/kedro_docker/data}, {name: cache, mountPath: /cache},
        {name: more, mountPath: /secret}]}"""
    text = f"""
        env_vars: {{A: a}}
        volumes: {{cache: {{empty_dir: {{}}, mount_path: /cache}}}}
        secrets: [{{secret: s, deploy_type: volume, deploy_target: /secret}}]
        pod: {{spec: {{volumes: [{{name: more, emptyDir: {{}}}}], containers: [{container}]}}}}
    """
    with pytest.raises(ConfigError) as caught:
        load_config({"run_config": yaml.safe_load(text)}, "x")
    at = "run_config.pod.spec.containers[0]"
    lines = str(caught.value).splitlines()[1:]
    assert [line.strip().partition(": ")[0] for line in lines] == [
        f"{at}.env[0].name",
        f"{at}.volumeMounts[2].mountPath",
    ]
    fine = yaml.safe_load(text)
    fine["env_vars"], fine["secrets"] = {}, []
    with pytest.raises(ConfigError, match=r"volumeMounts\[0\].mountPath: .* must differ from"):
        load_config({"run_config": fine}, "x")
