"""Reads a DAG file of this plugin from its text; nothing in it is ever run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from kedro_airflow_k8s.dag.render import TAG_FINGERPRINT
from kedro_airflow_k8s.deploy.diff.pod_words import pod_settings
from kedro_airflow_k8s.deploy.diff.summary import (
    COMMIT,
    VERSION,
    DagSummary,
    KedroTask,
    NotUnderstood,
)
from kedro_airflow_k8s.deploy.diff.values import CallValue, evaluate
from kedro_airflow_k8s.plan.build import TAG_COMMIT, TAG_EXPERIMENT, TAG_VERSION

SETTING_OF_TAG = {TAG_VERSION: VERSION, TAG_COMMIT: COMMIT, TAG_EXPERIMENT: "experiment"}

SETTING_OF_ARGUMENT = {
    "dag_id": "DAG id",
    "start_date": "start date",
    "max_active_runs": "runs at a time",
    "image_pull_policy": "image pull policy",
    "namespace": "namespace",
    "kubernetes_conn_id": "Kubernetes connection",
    "startup_timeout_seconds": "seconds for a pod to start",
    "size": "size",
    "access_modes": "access modes",
    "storage_class": "storage class",
}
SETTING_OF_OPTION = {
    "--env": "environment",
    "--pipelines": "pipeline",
    "--pipeline": "pipeline",
}
SHARED = ("namespace", "kubernetes_conn_id")
"""Arguments of several operators that come from one key of the configuration."""

SHARED_DOC = "DOC_"
"""How the constants begin that hold what several tasks have as documentation."""

OF_VOLUME = ("size", "access_modes", "storage_class")

TASK_FUNCTION, POD_FUNCTION, POD_TASK_FUNCTION = "kedro_task", "pod_template", "pod_task"


def summarise(source: str) -> DagSummary:
    """Read a DAG file.

    Raises:
        NotUnderstood: If it is not one of this plugin, or is laid out in an unknown way.
    """
    if TAG_VERSION not in source:
        raise NotUnderstood("was not made by this plugin")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in strings
            tree = ast.parse(source)
        return _Reader(tree).read()
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise NotUnderstood(f"is not Python{where}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotUnderstood("is not Python that could be read") from error


class _Reader:
    """Reads one file."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.names: dict[str, Any] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.constants: dict[str, Any] = {}
        self.variables: dict[str, str] = {}
        self.found = DagSummary()

    def read(self) -> DagSummary:
        dag: tuple[ast.With, CallValue] | None = None
        title = ast.get_docstring(self.tree, clean=False)
        for statement in self.tree.body[0 if title is None else 1 :]:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                self._definition(statement)
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                self._constant(statement)
            elif dag is None and (call := self._dag_call(statement)):
                assert isinstance(statement, ast.With)  # noqa: S101 - for mypy
                dag = statement, call
            elif not _is_import(statement):
                self.found.rest.append(ast.unparse(statement))
        if dag is None or TASK_FUNCTION not in self.functions:
            raise NotUnderstood(_other_layout(self.tree))
        self._settings(dag[1])
        self._body(dag[0].body, "")
        self._steps()
        return self.found

    # --- the module -------------------------------------------------------------------------

    def _definition(self, statement: ast.FunctionDef | ast.ClassDef) -> None:
        if isinstance(statement, ast.FunctionDef):
            self.functions[statement.name] = statement
            if statement.name == POD_TASK_FUNCTION:
                self._operator_arguments(statement)
            if statement.name == POD_FUNCTION:
                return  # It is all values, and compared as such.
            if statement.name == TASK_FUNCTION:
                self._default_pipeline(statement)
        self.found.code[statement.name] = ast.dump(statement)

    def _operator_arguments(self, function: ast.FunctionDef) -> None:
        """Take the values that all pods have out of the code."""
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Operator"):
                continue
            code = []
            for keyword in node.keywords:
                value = evaluate(keyword.value, {})
                if keyword.arg and isinstance(value, str | int | float | None):
                    label = SETTING_OF_ARGUMENT.get(keyword.arg, f"pods: {keyword.arg}")
                    self.found.settings[label] = value
                else:
                    code.append(keyword)
            node.keywords = code

    def _default_pipeline(self, function: ast.FunctionDef) -> None:
        """Take the pipeline that tasks run if they name no other out of the code."""
        arguments = function.args
        for index, argument in enumerate(arguments.kwonlyargs):
            default = arguments.kw_defaults[index]
            if argument.arg == "pipeline" and isinstance(default, ast.Constant):
                self.found.settings["pipeline"] = default.value
                arguments.kw_defaults[index] = None

    def _constant(self, statement: ast.Assign | ast.AnnAssign) -> None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if len(targets) != 1 or not isinstance(targets[0], ast.Name) or statement.value is None:
            self.found.rest.append(ast.unparse(statement))
            return
        name, value = targets[0].id, evaluate(statement.value, self.names)
        self.constants[name] = value
        if name.startswith(SHARED_DOC):
            self.names[name] = value
        elif isinstance(value, str) and "\n" in value:
            self.found.code[name] = value  # A program for the pods.

    # --- the settings -----------------------------------------------------------------------

    def _dag_call(self, statement: ast.stmt) -> CallValue | None:
        if not isinstance(statement, ast.With):
            return None
        call = evaluate(statement.items[0].context_expr, self.names)
        return call if isinstance(call, CallValue) and call.name.endswith("DAG") else None

    def _settings(self, call: CallValue) -> None:
        settings = self.found.settings
        arguments = dict(call.arguments)
        if "0" in arguments:
            arguments.setdefault("dag_id", arguments.pop("0"))
        self.found.dag_id = str(arguments.get("dag_id"))
        for tag in _texts(arguments.pop("tags", None)):
            key, _, value = tag.partition(":")
            if key != TAG_FINGERPRINT:
                settings[SETTING_OF_TAG.get(key, f"tag {key}")] = value
        if VERSION not in settings:
            raise NotUnderstood("was not made by this plugin")
        macros = arguments.pop("user_defined_macros", None)
        for name, value in _mapping(macros).items():
            self.found.code[f"macro {name}"] = repr(value)
        settings["parameter in the trigger form"] = {
            name: _trigger_field(value)
            for name, value in _mapping(arguments.pop("params", {})).items()
        }
        for name, value in arguments.items():
            settings[SETTING_OF_ARGUMENT.get(name, name)] = value
        self._constants(settings)
        self._title(settings)

    def _constants(self, settings: dict[str, Any]) -> None:
        constants = {
            name: value
            for name, value in self.constants.items()
            if name not in self.found.code and not name.startswith(SHARED_DOC)
        }
        settings["image"] = constants.pop("IMAGE", None)
        settings["resources"] = {
            name: _entry(entry) for name, entry in _mapping(constants.pop("RESOURCES", {})).items()
        }
        command = settings["kedro run"] = _command(constants.pop("KEDRO_RUN", []))
        for option, label in SETTING_OF_OPTION.items():
            if option in command:
                settings[label] = command.pop(option)
        pod = constants.pop("POD", None)
        template = self.functions.get(POD_FUNCTION)
        for statement in template.body if template else []:
            if isinstance(statement, ast.Return) and statement.value:
                pod = evaluate(statement.value, self.names)
        settings["volume"] = {}
        if "DATA" in constants:
            settings["volume"]["mount path"] = constants.pop("DATA")
        if "FILL_PATH" in constants:
            settings["volume"]["filled from the image by way of"] = constants.pop("FILL_PATH")
        pod_settings(pod, settings)
        settings |= {f"constant {name}": value for name, value in constants.items()}

    def _title(self, settings: dict[str, Any]) -> None:
        """What only the text at the top says; names are shortened to plain letters there."""
        doc = ast.get_docstring(self.tree, clean=False) or ""
        doc = re.sub(rf"^{TAG_FINGERPRINT}:\w+$", "", doc, flags=re.MULTILINE)
        found = re.fullmatch(
            r"Airflow DAG of the Kedro pipeline `(.*)` of project `(.*)`\.\n\n"
            r"Generated by kedro-airflow-k8s \S+ for the environment `(.*)`\.\n(.*)",
            doc,
            flags=re.DOTALL,
        )
        if found is None:
            settings["text at the top"] = doc.strip()
            return
        settings.setdefault("pipeline", found[1])
        settings["project"] = found[2]
        settings.setdefault("environment", found[3])
        settings["advice at the top"] = found[4].strip()

    # --- the tasks --------------------------------------------------------------------------

    def _body(self, body: list[ast.stmt], prefix: str) -> None:
        for statement in body:
            if isinstance(statement, ast.With):
                group = evaluate(statement.items[0].context_expr, self.names)
                arguments = group.arguments if isinstance(group, CallValue) else {}
                label = arguments.get("0", arguments.get("group_id"))
                if isinstance(label, str):
                    self._body(statement.body, f"{prefix}{label}.")
                    continue
            if not self._task(statement, prefix) and not self._order(statement):
                self.found.rest.append(ast.unparse(statement))

    def _task(self, statement: ast.stmt, prefix: str) -> bool:
        if not isinstance(statement, ast.Expr | ast.Assign):
            return False
        call = evaluate(statement.value, self.names)
        if not isinstance(call, CallValue):
            return False
        call = self._bound(call)
        if call.name == TASK_FUNCTION:
            self._kedro_task(dict(call.arguments), prefix)
            return True
        task_id = call.arguments.get("task_id")
        if not isinstance(task_id, str):
            return False
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            self.variables[statement.targets[0].id] = prefix + task_id
        self.found.steps[prefix + task_id] = call
        return True

    def _bound(self, call: CallValue) -> CallValue:
        """The call with the names of its arguments, if its function is one of the file."""
        function = self.functions.get(call.name)
        if function is None:
            return call
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        arguments = {
            names[int(key)] if key.isdecimal() and int(key) < len(names) else key: value
            for key, value in call.arguments.items()
        }
        return CallValue(call.name, arguments, call.methods)

    def _kedro_task(self, arguments: dict[str, Any], prefix: str) -> None:
        nodes = arguments.pop("nodes", arguments.pop("node", None))
        task = KedroTask(
            nodes=[nodes] if isinstance(nodes, str) else list(_texts(nodes)),
            inputs=list(_texts(arguments.pop("inputs", None))),
            outputs=list(_texts(arguments.pop("outputs", None))),
            others=arguments,
        )
        label = arguments.pop("task_id", "") or (
            task.nodes[0].rpartition(".")[2] if task.nodes else ""
        )
        self.found.tasks[f"{prefix}{label}"] = task

    def _order(self, statement: ast.stmt) -> bool:
        """Take `a >> b >> c`, between names, as that."""
        node = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(node, ast.BinOp):
            return False
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
            before = node.left.right if isinstance(node.left, ast.BinOp) else node.left
            if not isinstance(before, ast.Name) or not isinstance(node.right, ast.Name):
                return False
            self.found.order.append((before.id, node.right.id))
            node = node.left
        return isinstance(node, ast.Name)

    def _steps(self) -> None:
        """Put what tasks around those of nodes share with the pods to the settings."""
        settings = self.found.settings
        for step in self.found.steps.values():
            for name in list(step.arguments):
                label = SETTING_OF_ARGUMENT.get(name)
                if name in SHARED and label is not None:
                    if repr(step.arguments[name]) == repr(settings.get(label)):
                        del step.arguments[name]
                elif name in OF_VOLUME and step.name == "CreateVolumeOperator":
                    settings["volume"][label] = step.arguments.pop(name)
        self.found.order = [
            (self.variables.get(before, before), self.variables.get(after, after))
            for before, after in self.found.order
        ]


def _other_layout(tree: ast.Module) -> str:
    pattern = re.compile(rf"{TAG_VERSION}:(\S+)")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = pattern.fullmatch(node.value)
            if found:
                return f"was made by version {found[1]} of this plugin, which wrote other files"
    return "was not made by this plugin"


def _is_import(statement: ast.stmt) -> bool:
    """Whether it is an import, or a try of some."""
    if isinstance(statement, ast.Try):
        handlers = [part for handler in statement.handlers for part in handler.body]
        return all(_is_import(part) for part in (*statement.body, *handlers))
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> Iterator[str]:
    """The texts of a list."""
    yield from (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _entry(entry: Any) -> Any:
    """An entry of the resources, with the requests and limits as the configuration has them."""
    if not isinstance(entry, dict):
        return entry
    rest = dict(entry)
    amounts = rest.get("container_resources")
    if isinstance(amounts, CallValue):
        del rest["container_resources"]
        rest |= amounts.arguments
    return rest


def _trigger_field(value: Any) -> Any:
    if isinstance(value, CallValue) and "0" in value.arguments:
        rest = {key: part for key, part in value.arguments.items() if key != "0"}
        return CallValue(value.name, {"default": value.arguments["0"], **rest}, value.methods)
    return value


def _command(value: Any) -> dict[str, Any]:
    """The options of a command by their names, and what it begins with."""
    if not isinstance(value, list):
        return {"command": value}
    options: dict[str, Any] = {}
    program = []
    for part in value:
        if isinstance(part, str) and part.startswith("--"):
            name, _, text = part.partition("=")
            options[name] = _params(text)
        else:
            program.append(part)
    return {"command": program, **options}


def _params(text: str) -> Any:
    """What the option `--params` takes from Airflow, if the text is a template of that."""
    found = re.fullmatch(r"\{\{ (kedro_params\(.*\)) \}\}", text, flags=re.DOTALL)
    if found is None:
        return text
    try:
        return evaluate(ast.parse(found[1], mode="eval").body, {})
    except SyntaxError:
        return text
