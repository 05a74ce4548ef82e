# Sourced by the other scripts: `stage NAME COMMAND...` runs a step, prints how long it
# took, and says which step failed.

stage() {
    local name=$1 started=$SECONDS
    shift
    printf '==> %s\n' "$name"
    if "$@"; then
        printf '==> %s: %d s\n' "$name" $((SECONDS - started))
    else
        local code=$?
        printf '==> %s: failed after %d s (exit code %d), see above\n' "$name" $((SECONDS - started)) "$code" >&2
        return "$code"
    fi
}
