//! `make proof-compress`: `[--only ROW] [--full]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    noroshi_tests::proof_compress::PROOF.main()
}
