//! `make proof-tiny`: `[--only ROW] [--full]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    noroshi_tests::proof_tiny::PROOF.main()
}
