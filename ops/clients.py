"""Asks a service the same through every client, as their manuals say, and prints what worked.

    clients.py http://127.0.0.1:8490 5433 TOKEN
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

HTTP, PORT, TOKEN = sys.argv[1], int(sys.argv[2]), sys.argv[3]
USER = DATABASE = "truestream"
URL = f"postgresql://{USER}:{TOKEN}@127.0.0.1:{PORT}/{DATABASE}"
QUESTION = "SELECT account_id, plays, track_entropy, as_of FROM account_window WHERE \"window\" = '28d' ORDER BY account_id"
VERDICTS = "SELECT subject, verdict, count(*) AS subjects FROM verdict GROUP BY subject, verdict ORDER BY 1, 2"


def http(question, form):
    query = urllib.parse.urlencode({"sql": question, "format": form})
    request = urllib.request.Request(f"{HTTP}/v1/query?{query}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["truestream-as-of"], "no instant"
        return answer.read()


def psql(*arguments):
    line = ["psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(PORT), "-U", USER, "-v", "ON_ERROR_STOP=1", DATABASE, *arguments]
    done = subprocess.run(line, env={**os.environ, "PGPASSWORD": TOKEN}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def rows():
    import pyarrow

    return pyarrow.ipc.open_stream(http(QUESTION, "arrow")).read_all()


def settled():
    """Waits until the service has read everything and states nothing new any more."""
    before = None
    while True:
        with urllib.request.urlopen(f"{HTTP}/health") as answer:
            told = json.load(answer)
        if told == before and told["as_of"] and told["entries_read"] == told["entries_durable"]:
            return
        before = told
        time.sleep(5)


settled()
EXPECTED = rows().to_pylist()


def written(identity):
    """An id as text: clients have several types for numbers of 64 bits."""
    return identity if isinstance(identity, str) else str(int(identity))


PLAYS = [(written(row["account_id"]), row["plays"]) for row in EXPECTED]
assert len(PLAYS) > 50, "the service has nothing to tell"


FIRST = EXPECTED[0]["account_id"]


def same(found):
    found = [(written(row[0]), int(row[1])) for row in found]
    assert found == PLAYS, f"{len(found)} rows, expected {len(PLAYS)}: {found[:2]}"


def check_psql():
    table = psql("-A", "-t", "-F", ",", "-c", QUESTION)
    same([line.split(",") for line in table.splitlines()])


def check_psql_d():
    assert "account_window" in psql("-c", r"\d")
    assert "account_window" in psql("-c", r"\dt")


def check_psql_d_view():
    told = psql("-c", r"\d account_window")
    assert "timestamp with time zone" in told and "track_entropy" in told, told


def check_psql_d_plus():
    told = psql("-c", r"\d+ account_window")
    assert "those with played_ms >= 30 000" in told, told
    assert "One row per T, window and key" in psql("-c", r"\dt+")


def check_psql_others():
    for command in [r"\dn", r"\l", r"\du", r"\df", r"\dv", r"\di", r"\conninfo"]:
        psql("-c", command)


def check_psql_copy():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "copied.csv")
        psql("-c", rf"\copy ({QUESTION}) to '{path}' csv")
        with open(path) as copied:
            same([line.split(",") for line in copied])


def check_psycopg():
    import psycopg

    with psycopg.connect(URL) as connection:
        same(connection.execute(QUESTION).fetchall())
        wanted = "SELECT account_id, plays FROM account_window WHERE account_id = %s AND \"window\" = %s"
        for binary in (False, True):
            found = connection.execute(wanted, (FIRST, "28d"), binary=binary).fetchone()
            assert (written(found[0]), found[1]) == PLAYS[0], found
        with connection.cursor("named") as cursor:
            same(cursor.execute(QUESTION))
        with connection.cursor() as cursor, cursor.copy(f"COPY ({QUESTION}) TO STDOUT") as copy:
            same(copy.rows())


def check_psycopg2():
    import psycopg2

    connection = psycopg2.connect(URL)
    with connection, connection.cursor() as cursor:
        cursor.execute(QUESTION)
        same(cursor.fetchall())
        cursor.execute("SELECT plays FROM account_window WHERE account_id = %s AND \"window\" = '28d'", (FIRST,))
        assert cursor.fetchone()[0] == PLAYS[0][1]
        told = io.StringIO()
        cursor.copy_expert(f"COPY ({QUESTION}) TO STDOUT", told)
        same([line.split("\t") for line in told.getvalue().splitlines()])
    with connection, connection.cursor("named") as cursor:
        cursor.execute(QUESTION)
        same(cursor.fetchall())


def check_asyncpg():
    import asyncpg

    async def ask():
        connection = await asyncpg.connect(URL)
        same(await connection.fetch(QUESTION))
        wanted = "SELECT plays FROM account_window WHERE account_id = $1 AND \"window\" = '28d'"
        assert await connection.fetchval(wanted, FIRST) == PLAYS[0][1]
        told = io.BytesIO()
        await connection.copy_from_query(QUESTION, output=told, format="csv")
        same([line.split(",") for line in told.getvalue().decode().splitlines()])
        await connection.close()

    asyncio.run(ask())


def check_pg8000():
    import pg8000.native

    connection = pg8000.native.Connection(USER, host="127.0.0.1", port=PORT, database=DATABASE, password=TOKEN)
    same(connection.run(QUESTION))
    wanted = "SELECT plays FROM account_window WHERE account_id = :id AND \"window\" = '28d'"
    assert connection.run(wanted, id=FIRST)[0][0] == PLAYS[0][1]
    connection.close()


def engine():
    import sqlalchemy

    return sqlalchemy.create_engine(URL)


def check_sqlalchemy():
    import sqlalchemy

    with engine().connect() as connection:
        same(connection.execute(sqlalchemy.text(QUESTION)).fetchall())


def check_sqlalchemy_reflection():
    import sqlalchemy

    inspector = sqlalchemy.inspect(engine())
    assert "account_window" in inspector.get_table_names()
    columns = {column["name"]: column for column in inspector.get_columns("account_window")}
    assert columns["payable"]["comment"] == "those with played_ms >= 30 000", columns["payable"]
    table = sqlalchemy.Table("verdict", sqlalchemy.MetaData(), autoload_with=engine())
    with engine().connect() as connection:
        connection.execute(sqlalchemy.select(table.c.verdict)).fetchall()


def check_pandas():
    import pandas

    found = pandas.read_sql_query(QUESTION, engine())
    same(found[["account_id", "plays"]].itertuples(index=False))
    assert len(pandas.read_sql_table("account_window", engine())) >= len(PLAYS)


def check_connectorx():
    import connectorx

    found = connectorx.read_sql(URL, QUESTION)
    same(found[["account_id", "plays"]].itertuples(index=False))


def check_polars():
    import polars

    same(polars.read_database_uri(QUESTION, URL).select("account_id", "plays").rows())


def check_adbc():
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(URL) as connection, connection.cursor() as cursor:
        cursor.execute(QUESTION)
        found = cursor.fetch_arrow_table()
        same(zip(found["account_id"].to_pylist(), found["plays"].to_pylist()))


def check_pgcli():
    line = [os.path.join(os.path.dirname(sys.executable), "pgcli"), "--help"]
    subprocess.run(line, check=True, capture_output=True)
    from pgcli.pgexecute import PGExecute

    executor = PGExecute(DATABASE, USER, TOKEN, "127.0.0.1", str(PORT))
    assert ("public", "account_window") in [tuple(table) for table in executor.tables()]
    assert any(column[2] == "payable" for column in executor.table_columns())
    for _, found, _, _, _, is_right, *_ in executor.run(QUESTION):
        assert is_right
        same(list(found))


class Skipped(Exception):
    """Something is not installed that no package of Python brings."""


JDBC = os.environ.get("PGJDBC", "/usr/share/java/postgresql.jar")


def jdbc():
    import shutil

    import jaydebeapi

    if not (shutil.which("java") and os.path.exists(JDBC)):
        raise Skipped(f"no java, or no {JDBC} (Debian: default-jre-headless, libpostgresql-jdbc-java)")
    url = f"jdbc:postgresql://127.0.0.1:{PORT}/{DATABASE}"
    return jaydebeapi.connect("org.postgresql.Driver", url, [USER, TOKEN], JDBC)


def check_jdbc():
    connection = jdbc()
    with connection.cursor() as cursor:
        cursor.execute(QUESTION)
        same(cursor.fetchall())
        # After five times the driver prepares a statement on the server and asks for binary values.
        for _ in range(8):
            cursor.execute("SELECT account_id, plays FROM account_window WHERE account_id = ? AND \"window\" = ?", (written(FIRST), "28d"))
            found = cursor.fetchone()
            assert (written(found[0]), int(found[1])) == PLAYS[0], found
    connection.close()


def check_jdbc_metadata():
    connection = jdbc()
    told = connection.jconn.getMetaData()

    def listed(rows, *columns):
        found = []
        while rows.next():
            found.append(tuple(rows.getString(column) for column in columns))
        return found

    assert ("account_window",) in listed(told.getTables(None, "public", "%", None), "TABLE_NAME")
    columns = listed(told.getColumns(None, "public", "account_window", "%"), "COLUMN_NAME", "TYPE_NAME")
    assert ("payable", "int8") in columns, columns
    assert ("public",) in listed(told.getSchemas(), "TABLE_SCHEM")
    assert not listed(told.getPrimaryKeys(None, "public", "account_window"), "COLUMN_NAME")
    assert str(told.getDatabaseProductName()) == "PostgreSQL"
    connection.close()


def odbc():
    import pyodbc

    driver = "PostgreSQL Unicode"
    if driver not in pyodbc.drivers():
        raise Skipped(f"no ODBC driver {driver} (Debian: odbc-postgresql, unixodbc)")
    return pyodbc.connect(f"DRIVER={{{driver}}};SERVER=127.0.0.1;PORT={PORT};DATABASE={DATABASE};UID={USER};PWD={TOKEN}")


def check_odbc():
    connection = odbc()
    same(connection.execute(QUESTION).fetchall())
    wanted = "SELECT account_id, plays FROM account_window WHERE account_id = ? AND \"window\" = ?"
    found = connection.execute(wanted, (FIRST, "28d")).fetchone()
    assert (written(found[0]), int(found[1])) == PLAYS[0], found
    connection.close()


def check_odbc_catalogue():
    connection = odbc()
    assert "account_window" in [row.table_name for row in connection.cursor().tables()]
    assert "payable" in [row.column_name for row in connection.cursor().columns(table="account_window")]
    connection.close()


def check_arrow():
    same([(row["account_id"], row["plays"]) for row in rows().to_pylist()])
    assert rows().schema.field("as_of").type.tz == "UTC"


def check_http_parquet():
    import pyarrow.parquet

    found = pyarrow.parquet.read_table(io.BytesIO(http(QUESTION, "parquet")))
    same(zip(found["account_id"].to_pylist(), found["plays"].to_pylist()))


def check_http_csv():
    same([line.split(",") for line in http(QUESTION, "csv").decode().splitlines()[1:]])


CHECKS = [
    ("psql", "a question", check_psql),
    ("psql", r"\d and \dt", check_psql_d),
    ("psql", r"\d account_window", check_psql_d_view),
    ("psql", r"\d+ account_window, \dt+ with what they mean", check_psql_d_plus),
    ("psql", r"\dn \l \du \df \dv \di \conninfo", check_psql_others),
    ("psql", r"\copy (SELECT …) to a file", check_psql_copy),
    ("psycopg", "parameters, binary, named cursor, COPY", check_psycopg),
    ("psycopg2", "parameters, named cursor, COPY", check_psycopg2),
    ("asyncpg", "prepared, binary, COPY", check_asyncpg),
    ("pg8000", "parameters", check_pg8000),
    ("SQLAlchemy", "a question", check_sqlalchemy),
    ("SQLAlchemy", "reflection, with comments", check_sqlalchemy_reflection),
    ("pandas", "read_sql_query, read_sql_table", check_pandas),
    ("connectorx", "read_sql", check_connectorx),
    ("polars", "read_database_uri", check_polars),
    ("adbc-driver-postgresql", "fetch_arrow_table", check_adbc),
    ("pgcli", "completion and a question", check_pgcli),
    ("pgjdbc", "a question, prepared, binary", check_jdbc),
    ("pgjdbc", "DatabaseMetaData", check_jdbc_metadata),
    ("psqlODBC", "a question, parameters", check_odbc),
    ("psqlODBC", "SQLTables, SQLColumns", check_odbc_catalogue),
    ("pyarrow", "Arrow over HTTP", check_arrow),
    ("pyarrow", "Parquet over HTTP", check_http_parquet),
    ("urllib", "CSV over HTTP", check_http_csv),
]


def version(client):
    from importlib import metadata

    if client == "psql":
        return subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout.split()[2]
    try:
        brought_by = {"psycopg2": "psycopg2-binary", "pgjdbc": "JayDeBeApi", "psqlODBC": "pyodbc"}
        return metadata.version(brought_by.get(client, client))
    except metadata.PackageNotFoundError:
        return sys.version.split()[0]


def main():
    failed = skipped = 0
    for client, what, check in CHECKS:
        try:
            check()
            told = "works"
        except Skipped as why:
            skipped += 1
            told = f"SKIPPED: {why}"
        except Exception as error:  # each client has its own kinds
            failed += 1
            told = "FAILS: " + " ".join(str(error).split())[:300]
            if os.environ.get("CLIENTS_TRACE"):
                traceback.print_exc()
        print(f"{client:24} {version(client):12} {what:48} {told}", flush=True)
    print(f"{len(CHECKS) - failed - skipped} of {len(CHECKS)} work, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
