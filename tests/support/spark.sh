#!/usr/bin/env bash
# Starts Apache Spark from PyPI as a Spark Connect server on a free port of this machine, and runs the tests that compare its
# tables with ours on it, those on the development data included. Arguments go to the test runner (a filter).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD

if ! command -v java >/dev/null; then
    echo "Apache Spark needs Java 17 or newer (Debian: apt-get install -y openjdk-17-jre-headless)" >&2
    exit 1
fi
programs=$(STEPWELL_VENV=${STEPWELL_SPARK_VENV:-$root/.venv-spark} tests/support/venv.sh "$root/tests/support/spark_requirements.txt")
home=$("$programs/python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
port=$("$programs/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
place=$(mktemp -d)
log=$place/spark.log

SPARK_HOME=$home PYSPARK_PYTHON=$programs/python SPARK_LOCAL_IP=127.0.0.1 setsid timeout -s KILL 3600 "$home/bin/spark-submit" \
    --class org.apache.spark.sql.connect.service.SparkConnectServer --master 'local[*]' --driver-memory 2g \
    --conf spark.connect.grpc.binding.address=127.0.0.1 --conf "spark.connect.grpc.binding.port=$port" \
    --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=4 --conf "spark.local.dir=$place" \
    --conf "spark.sql.warehouse.dir=$place/warehouse" spark-internal >"$log" 2>&1 &
server=$!
finish() {
    local status=$?
    kill -KILL -- "-$server" 2>/dev/null || true
    [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
    rm -rf "$place"
    exit "$status"
}
trap finish EXIT

until "$programs/python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || { echo "Apache Spark did not start" >&2; exit 1; }
    sleep 0.2
done
echo "Apache Spark $("$programs/python" -c 'import pyspark; print(pyspark.__version__)') listens on port $port" >&2

export STEPWELL_TEST_SPARK_REMOTE=sc://127.0.0.1:$port
ignored=(--include-ignored)
data=${STEPWELL_DEVELOPMENT_DATA:-../shared/data}
if [ ! -d "$data" ]; then
    echo "!! $data is not there: THE TESTS ON THE DEVELOPMENT DATA ARE NOT RUN (set STEPWELL_DEVELOPMENT_DATA)" >&2
    ignored=()
fi
# One after the other: all of them share the server.
cargo test --workspace --features spark --locked --test spark -- --test-threads=1 --nocapture ${ignored[@]+"${ignored[@]}"} "$@"
