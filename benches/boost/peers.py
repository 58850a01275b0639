"""LightGBM and XGBoost on the rows of `models/examples/timing.rs`, with its settings; one line of JSON each.

Usage: peers.py [--trees N] [--leaves N] DIR
"""
import argparse
import json
import resource
import time

import lightgbm
import numpy
import xgboost


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def auc(scores, labels):
    order = numpy.argsort(scores, kind="stable")
    ranks = numpy.empty(len(scores))
    ranks[order] = numpy.arange(1, len(scores) + 1)
    fraud = labels == 1
    count = fraud.sum()
    return (ranks[fraud].sum() - count * (count + 1) / 2) / (count * (len(scores) - count))


def recall(scores, labels, rate):
    honest = numpy.sort(scores[labels == 0])[::-1]
    return float((scores[labels == 1] > honest[int(rate * len(honest))]).mean())


def measure(engine, fit, score, explain, test, labels, given):
    wall, cpu = time.perf_counter(), cpu_s()
    model = fit()
    told = {"engine": engine, **given, "fit_cpu_s": round(cpu_s() - cpu, 2), "fit_wall_s": round(time.perf_counter() - wall, 2)}
    begun = cpu_s()
    score(model, test[:100_000], 1)
    told["score_rows_per_s"] = round(min(100_000, len(test)) / (cpu_s() - begun))
    begun = cpu_s()
    explain(model, test[:5_000], 1)
    told["explain_rows_per_s"] = round(min(5_000, len(test)) / (cpu_s() - begun))
    scores = score(model, test, 2)
    told["auc"] = round(float(auc(scores, labels)), 5)
    told["recall_at_0.1pct"] = round(recall(scores, labels, 0.001), 4)
    print(json.dumps(told), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--leaves", type=int, default=31)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("folder")
    arguments = parser.parse_args()
    rows = numpy.fromfile(f"{arguments.folder}/rows.f32", numpy.float32).reshape(-1, arguments.features)
    labels = numpy.fromfile(f"{arguments.folder}/labels.f32", numpy.float32)
    cut = len(rows) * 4 // 5
    train, test = rows[:cut], rows[cut:]
    given = {"rows": cut, "trees": arguments.trees, "leaves": arguments.leaves}

    settings = dict(objective="binary", num_leaves=arguments.leaves, learning_rate=0.1, min_data_in_leaf=20,
                    num_threads=arguments.threads, deterministic=True, force_col_wise=True, verbose=-1)
    measure(
        "lightgbm",
        lambda: lightgbm.train(settings, lightgbm.Dataset(train, labels[:cut]), arguments.trees),
        lambda model, rows, threads: model.predict(rows, raw_score=True, num_threads=threads),
        lambda model, rows, threads: model.predict(rows, pred_contrib=True, num_threads=threads),
        test, labels[cut:], given,
    )
    settings = dict(objective="binary:logistic", max_leaves=arguments.leaves, max_depth=0, grow_policy="lossguide", eta=0.1,
                    tree_method="hist", max_bin=255, nthread=arguments.threads, reg_lambda=0)
    measure(
        "xgboost",
        lambda: xgboost.train(settings, xgboost.DMatrix(train, labels[:cut]), arguments.trees),
        lambda model, rows, threads: (model.set_param({"nthread": threads}), model.predict(xgboost.DMatrix(rows), output_margin=True))[1],
        lambda model, rows, threads: (model.set_param({"nthread": threads}), model.predict(xgboost.DMatrix(rows), pred_contribs=True))[1],
        test, labels[cut:], given,
    )


main()
