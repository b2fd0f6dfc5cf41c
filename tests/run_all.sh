#!/bin/bash
# Every test: calls on real Asterisk, and all others beside them.
#
# Whole files are kept together because each starts real servers. Calls mostly wait, but what they compare is clocks, to
# 20 ms: the others give way to them.
#
# Telephones, browsers and databases share the cores here. What fails beside everything else is tried once more when all
# is over, alone, and both runs are shown. What fails again has failed, and ends the run.
set -uo pipefail
cd "$(dirname "$0")/.."
# Containers often forbid it: then each process of each test compiles the house anew.
export PYTHONDONTWRITEBYTECODE=
logs=.tollbridge
others_log=$logs/tests-beside-calls.log
pytest=(.venv/bin/python -m pytest)
calls=(-o "cache_dir=$logs/pytest-calls" tests/calls tests/tollbridge)
others=(-o "cache_dir=$logs/pytest-others" --ignore=tests/calls --ignore=tests/tollbridge tests)

again_alone() { # exit code of the first run, which tests
    [ "$1" -ne 1 ] && return "$1"
    echo "what failed, once more and alone:"
    "${pytest[@]}" --last-failed --last-failed-no-failures=none --exitfirst -rA --show-capture=no "${@:2}"
}

mkdir -p "$logs"
rm -rf "$logs"/pytest-{calls,others}
nice -n 15 "${pytest[@]}" --dist loadfile -n 3 "${others[@]}" >"$others_log" 2>&1 &
others_run=$!
trap 'kill $others_run 2>/dev/null' INT TERM
echo "calls on real Asterisk (all other tests run beside them, into $others_log):"
"${pytest[@]}" --dist loadfile -n 2 "${calls[@]}"
calls_code=$?
echo "all other tests:"
tail -n +1 -f --pid=$others_run "$others_log"
wait $others_run
others_code=$?

again_alone $calls_code "${calls[@]}"
calls_code=$?
again_alone $others_code "${others[@]}"
exit $((calls_code | $?))
