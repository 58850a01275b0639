"""Every night: train, evaluate, promote. For Apache Airflow 2.9 and later.

What is evaluated and promoted is the version that the first task trained, whatever else the registry has got since: its number goes from
task to task.

Variables: truestream_data and truestream_registry (folders), truestream_bin (the program).
Exit code 3, a gate that is not met, skips the promotion and leaves the champion where it is; 5 and 6, a full disk and a registry that
another job writes, are tried again; 2 and 4, options and data, fail at once, because a second try cannot mend them.
"""

from datetime import datetime, timedelta, timezone

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.exceptions import AirflowFailException, AirflowSkipException
    from airflow.operators.python import PythonOperator

TRUESTREAM = "{{ var.value.get('truestream_bin', 'truestream') }}"
REGISTRY = "{{ var.value.truestream_registry }}"
DATA = "{{ var.value.truestream_data }}"
AS_OF = "{{ data_interval_end.strftime('%Y-%m-%dT%H:%M:%SZ') }}"
TRAINED = "{{ ti.xcom_pull(task_ids='train') }}"


def run(words):
    """Runs one step; what its exit code means for the schedule is said here and nowhere else. Returns the version that it trained, if it did."""
    import json
    import subprocess

    done = subprocess.run(words, check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    code = done.returncode
    if code == 3:
        raise AirflowSkipException("a gate was not met: the champion stays")
    if code in (2, 4):
        raise AirflowFailException(f"{words[1]} ended with exit code {code}: a second try cannot mend it")
    if code != 0:
        raise RuntimeError(f"{words[1]} ended with exit code {code}")
    return json.loads(done.stdout)["version"]["number"] if words[1] == "train" else None


def step(name, *options):
    return PythonOperator(task_id=name, python_callable=run, op_args=[[TRUESTREAM, name, *options, "--json"]])


with DAG(
    dag_id="truestream_retrain",
    description="Trains on all that is known, evaluates beside the champion, promotes what passes",
    schedule="17 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=20), "execution_timeout": timedelta(hours=6)},
    tags=["truestream"],
) as dag:
    known = ["--registry", REGISTRY, "--data", DATA, "--as-of", AS_OF]
    this = ["--version", TRAINED]
    step("train", *known) >> step("evaluate", *known, *this) >> step("promote", "--registry", REGISTRY, *this)
