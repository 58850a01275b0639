"""Loads the DAG as Airflow does, and runs its step function with a program that ends with each exit code."""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import truestream_retrain as retrain  # noqa: E402

order = ["train", "evaluate", "promote"]
assert sorted(retrain.dag.task_ids) == sorted(order), retrain.dag.task_ids
for before, after in zip(order, order[1:]):
    assert retrain.dag.get_task(before).downstream_task_ids == {after}, before
assert "--as-of" in retrain.dag.get_task("train").op_args[0]
for name in order[1:]:
    words = retrain.dag.get_task(name).op_args[0]
    assert words[words.index("--version") + 1] == retrain.TRAINED, words

with tempfile.TemporaryDirectory() as folder:
    fake = pathlib.Path(folder) / "truestream"
    expected = {0: None, 2: retrain.AirflowFailException, 3: retrain.AirflowSkipException, 4: retrain.AirflowFailException, 5: RuntimeError, 6: RuntimeError}
    for code, error in expected.items():
        fake.write_text(f"#!/bin/sh\nexit {code}\n")
        fake.chmod(0o755)
        try:
            retrain.run([str(fake), "evaluate"])
            raised = None
        except Exception as caught:  # what kind is what is asked
            raised = type(caught)
        assert raised is error, (code, raised)
    fake.write_text('#!/bin/sh\necho \'{"card":"c","version":{"metrics":{},"number":7,"params":{}}}\'\n')
    assert retrain.run([str(fake), "train"]) == 7
    # The number reaches the words of the next task.
    task = retrain.dag.get_task("promote")
    told = type("Told", (), {"xcom_pull": staticmethod(lambda task_ids: {"train": 7}[task_ids])})
    var = type("Variables", (), {"value": type("Values", (dict,), {"__getattr__": dict.get})(truestream_registry="models")})
    words = task.render_template(task.op_args, {"ti": told, "var": var})[0]
    assert words[1:] == ["promote", "--registry", "models", "--version", "7", "--json"], words
print("airflow: DAG loaded, exit codes, version")
