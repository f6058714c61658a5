# Run one fuzzer: fuzz.sh BUILD SOURCES NAME SECONDS [KEEP]
# One line says what it did; its whole report is in BUILD/NAME.log.
set -eu
build=$1 sources=$2 name=$3 seconds=$4 keep=${5-}
new=$build/$name.new log=$build/$name.log
corpus=$sources/corpus/$name
mkdir -p "$new"
if ! "$build/fuzz_$name" -max_total_time="$seconds" -timeout=5 -max_len=4096 \
    -dict="$sources/$name.dict" -artifact_prefix="$build/$name-" \
    -print_final_stats=1 "$new" "$corpus" >"$log" 2>&1; then
    tail -40 "$log"
    exit 1
fi
if [ -n "$keep" ]; then
    mkdir "$build/$name.kept"
    "$build/fuzz_$name" -merge=1 "$build/$name.kept" "$corpus" "$new" >>"$log" 2>&1
    rm -rf "$corpus" "$new"
    mv "$build/$name.kept" "$corpus"
fi
coverage=$(sed -n 's/.*\(cov: [0-9]* ft: [0-9]*\).*/\1/p' "$log" | tail -1)
count=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
echo "fuzz $name: $count executions, $coverage, no crash"
