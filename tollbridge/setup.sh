#!/bin/bash
# Sets up all that is missing on Debian 12 or newer, and nothing else. Safe to run again: a second run takes a moment.
#   tollbridge/setup.sh           what a node needs
#   tollbridge/setup.sh --demo    and the buyers' telephones of the demo (SIPp)
#   tollbridge/setup.sh --tests   and what the checks need
#   tollbridge/setup.sh --web     the web pages' parts alone (the image is made so)
#   tollbridge/setup.sh --tools   what lists, checks and locks packages, in an environment of its own
#   tollbridge/setup.sh --lock    renew requirements*.lock from requirements*.in
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CACHE_DIR="${TOLLBRIDGE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tollbridge}"
readonly LOG="$PWD/.tollbridge/log/setup.log"
readonly STAMP=.venv/.tollbridge-lock
readonly TOOLS=.tollbridge/tools
readonly NEEDED_KB=$((3 * 1024 * 1024))

TESTS=no DEMO=no
[[ "${1:-}" == --tests ]] && TESTS=yes
[[ "${1:-}" == --demo ]] && DEMO=yes

say() { printf '%s\n' "$*"; }

# One sentence of advice, and out.
give_up() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# step TITLE COMMAND...: runs it with its output in the log, says how long it took, shows the log's end on failure.
step() {
    local title=$1 began=$SECONDS status=0 pid next
    shift
    printf '  %-46s' "$title"
    printf '\n=== %s: %s\n' "$(date -u +%FT%TZ)" "$title" >>"$LOG"
    "$@" >>"$LOG" 2>&1 &
    pid=$!
    next=$((SECONDS + 10))
    while kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS >= next)); then printf '.'; next=$((SECONDS + 10)); fi
        sleep 0.2
    done
    wait "$pid" || status=$?
    if ((status == 0)); then say "ok ($((SECONDS - began)) s)"; return 0; fi
    say "failed"
    tail -n 12 "$LOG" >&2
    return "$status"
}

as_root() {
    if ((EUID == 0)); then "$@"
    elif [[ -t 0 ]]; then sudo "$@"
    else sudo -n "$@"; fi
}

# apt_packages NAME...: those of the names that are not installed.
missing_packages() {
    local name
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$name"
    done
}

apt_install() {
    local options=(-y --no-install-recommends -o Acquire::Check-Valid-Until=false -o Acquire::Retries=2)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "$@"
}

check_python() {
    command -v python3 >/dev/null || give_up "python3 is missing: install Python 3.11 or newer."
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        give_up "Python 3.11 or newer is needed, python3 here is $(python3 -V | cut -d' ' -f2)."
}

check_disk() {
    local where free
    for where in "$PWD" "$CACHE_DIR"; do
        free=$(df -Pk "$where" | awk 'NR == 2 { print $4 }')
        ((free >= NEEDED_KB)) ||
            give_up "$where has $((free / 1024)) MB left and the first set-up wants 3 GB: free some space."
    done
}

system_packages() {
    local wanted=(python3-venv mmdebstrap ca-certificates) missing
    command -v npm >/dev/null || web_is_built || wanted+=(npm)
    [[ $DEMO == yes ]] && ! command -v sipp >/dev/null && wanted+=(sip-tester)
    [[ $TESTS == yes ]] && wanted+=(sip-tester chromium espeak-ng flite)
    command -v dpkg-query >/dev/null ||
        { say "  no apt here: have npm, mmdebstrap (or Asterisk 22.10.1), demo: sipp, tests: chromium, espeak-ng, flite at hand"; return; }
    missing=$(missing_packages "${wanted[@]}")
    [[ -z $missing ]] && return
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        give_up "no rights to install: ask an administrator to run: apt-get install $missing"
    fi
    # shellcheck disable=SC2086
    step "system packages: $missing" apt_install $missing ||
        give_up "could not install $missing(rights, or the network): try as an administrator: apt-get install $missing"
}

lock_stamp() {  # what the environment was made from
    { python3 -V; sha256sum "$1"; } | sha256sum | cut -d' ' -f1
}

python_packages() {
    local lock=requirements.lock stamp dev
    [[ $TESTS == yes ]] && lock=requirements-dev.lock
    stamp=$(lock_stamp "$lock")
    dev=$(lock_stamp requirements-dev.lock)
    if [[ -f $STAMP ]] && { [[ $(<"$STAMP") == "$stamp" ]] || [[ $(<"$STAMP") == "$dev" ]]; }; then return; fi
    if [[ ! -x .venv/bin/python ]]; then
        step "Python environment" python3 -m venv .venv || give_up "python3 -m venv failed: install python3-venv."
    fi
    step "Python packages (about 60)" .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        --require-hashes -r "$lock" ||
        give_up "Python packages could not be had: check the network (and pip's settings), then run it again."
    printf '%s\n' "$PWD" >"$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tollbridge.pth"
    printf '#!/bin/sh\nexec "%s/.venv/bin/python" -m tollbridge "$@"\n' "$PWD" >.venv/bin/tollbridge
    chmod +x .venv/bin/tollbridge
    printf '%s\n' "$stamp" >"$STAMP"
}

web_parts() {
    [[ -f package-lock.json ]] || return 0
    local packages
    packages=$(sha256sum <package-lock.json | cut -d' ' -f1)
    web_is_built && return
    command -v npm >/dev/null || give_up "npm is missing: install Node.js 18 or newer (apt-get install npm)."
    if ! stamped "$packages" node_modules/.tollbridge-lock; then
        # No package's own script runs: a stolen package would run with our rights.
        step "web packages" npm ci --ignore-scripts --no-audit --no-fund ||
            give_up "npm packages could not be had: check the network (and npm's settings), then run it again."
        printf '%s\n' "$packages" >node_modules/.tollbridge-lock
    fi
    step "web pages' parts" npm run --silent build || give_up "the pages' parts could not be built: see $LOG."
    web_stamp >node_modules/.tollbridge-parts
}

web_stamp() {  # what the web pages' parts are made from
    cat package-lock.json web/build.mjs $(find web/islands -type f | LC_ALL=C sort) | sha256sum | cut -d' ' -f1
}

web_is_built() { stamped "$(web_stamp)" node_modules/.tollbridge-parts; }

stamped() { [[ -f $2 && $(<"$2") == "$1" ]]; }

# Runs beside pip: it needs nothing but the standard library.
asterisk() {
    python3 -m asterisk_conf.install "$CACHE_DIR"
}

# The test of the security log asks the real fail2ban-regex. Unpacked, not installed: its daemon would start here.
fail2ban() {
    local folder="$CACHE_DIR/fail2ban"
    [[ -x $folder/usr/bin/fail2ban-regex ]] && return
    mkdir -p "$folder"
    cd "$folder"
    apt-get -o Acquire::Retries=2 download fail2ban
    dpkg-deb -x fail2ban_*.deb . && rm -f fail2ban_*.deb
}

renew_locks() {
    local name
    package_tools
    for name in requirements requirements-dev requirements-tools; do
        step "$name.lock" "$TOOLS/bin/pip-compile" --quiet --allow-unsafe --generate-hashes --strip-extras \
            --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
            --output-file "$name.lock" "$name.in" || give_up "$name.in has no solution: see $LOG."
        sed -i "1i # Made from $name.in by \`make lock\`. Hashes, no addresses.\n" "$name.lock"
    done
}

# What lists, checks and locks packages is pinned like the rest, and no node runs it.
package_tools() {
    [[ -f $TOOLS/made && ! requirements-tools.lock -nt $TOOLS/made ]] && return
    step "tools for packages" bash -c "python3 -m venv $TOOLS && $TOOLS/bin/python -m pip install \
        --disable-pip-version-check --no-input --require-hashes -r requirements-tools.lock" ||
        give_up "the tools for packages could not be had: check the network (and pip's settings), then run it again."
    touch "$TOOLS/made"
}

main() {
    mkdir -p "$(dirname "$LOG")" "$CACHE_DIR" 2>/dev/null ||
        give_up "cannot write $(dirname "$LOG") or $CACHE_DIR: use a folder of your own."
    if [[ "${1:-}" == --web ]]; then web_parts; return; fi
    check_python
    if [[ "${1:-}" == --lock ]]; then renew_locks; return; fi
    if [[ "${1:-}" == --tools ]]; then package_tools; return; fi
    say "Tollbridge: setting up what is missing (log: $LOG)"
    [[ -f $STAMP && -d node_modules ]] || check_disk
    system_packages
    local fetched="$CACHE_DIR/.asterisk-setup.$$"
    asterisk >"$fetched" 2>&1 &
    local fetching=$!
    python_packages
    web_parts
    if [[ $TESTS == yes ]] && ! command -v fail2ban-regex >/dev/null; then
        step "fail2ban-regex, for a test" fail2ban || say "  it could not be had: one test of the security log is skipped."
    fi
    wait "$fetching" || { local why; why=$(<"$fetched"); rm -f "$fetched"; give_up "$why"; }
    say "  $(<"$fetched")"
    rm -f "$fetched"
    say "Tollbridge: set up."
}

main "$@"
