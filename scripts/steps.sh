# Sourced by the scripts that install: what they say, and the Python environments.

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

digest() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }

# timed WHAT COMMAND...: runs a long step, says what it is and how long it took.
timed() {
    local what=$1 started=$SECONDS
    shift
    say "$what …"
    "$@" || fail "failed: $what (the messages are above; the same command may be run again)"
    say "$what: done in $((SECONDS - started)) s"
}

install_python() {
    rm -rf "$1"
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps \
        --only-binary :all: --require-hashes -r "$2"
}

# python_environment FOLDER REQUIREMENTS HOW_MUCH: a no-op when the requirements are unchanged.
python_environment() {
    local folder=$1 requirements=$2 stamp=$1/.noroshi-stamp want
    want=$(digest "$requirements")
    # A moved checkout or a replaced Python leaves an environment that no longer runs.
    if [[ -f $stamp && $(<"$stamp") == "$want" && -x $folder/bin/python ]]; then return; fi
    timed "Python environment in $folder ($3)" install_python "$folder" "$requirements"
    echo "$want" >"$stamp"
}
