#!/usr/bin/env bash
# Checks the examples of this folder with the tools they are for: shellcheck (syntax), systemd-analyze, the JSON schema of Kubernetes,
# Airflow (the DAG is loaded, and its steps are run on fakes with every exit code).
#
# Usage: check.sh [FOLDER]   a virtual environment, made where there is none (half a gigabyte; default target/ops); TRUESTREAM_OPS_CHECK=installed
#                            checks only what is installed there already and says what it skips
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${1:-$here/../target/ops}"
if [[ ! -x "$venv/bin/python" && "${TRUESTREAM_OPS_CHECK:-}" != installed ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "kubernetes-validate~=1.33" "apache-airflow~=3.0"
fi
has() { [[ -x "$venv/bin/python" ]] && "$venv/bin/python" -c "import $1" 2>/dev/null; }
skipped() { echo "SKIPPED $1: $2" >&2; }

sh -n "$here/retrain.sh"
echo "retrain.sh: syntax"

if command -v systemd-analyze >/dev/null; then
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    for unit in "$here"/systemd/*; do
        sed "s|/usr/local/lib/truestream/|$here/|" "$unit" >"$work/$(basename "$unit")"
    done
    systemd-analyze verify --man=no "$work/truestream-retrain.service" "$work/truestream-retrain.timer"
    systemd-analyze calendar "$(sed -n 's/^OnCalendar=//p' "$here/systemd/truestream-retrain.timer")" >/dev/null
    echo "systemd: units verified"
else
    skipped systemd "no systemd-analyze"
fi

if command -v promtool >/dev/null; then
    promtool check rules "$here/prometheus/alerts.yml"
else
    skipped prometheus "no promtool"
fi

if has kubernetes_validate; then
    "$venv/bin/kubernetes-validate" --strict "$here"/kubernetes/*.yaml
    echo "kubernetes: schema"
else
    skipped kubernetes "no kubernetes-validate in $venv"
fi

if has airflow; then
    AIRFLOW_HOME="$(mktemp -d)" AIRFLOW__CORE__LOAD_EXAMPLES=false "$venv/bin/python" "$here/airflow/check.py"
else
    skipped airflow "no apache-airflow in $venv"
fi
