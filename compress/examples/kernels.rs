//! How fast bits are beside bytes and floats on this machine.

use noroshi_compress::binary::{Work, compare};
use noroshi_engine::{LibraryOptions, Options};

fn main() {
    let options = Options {
        threads: 1,
        library: LibraryOptions {
            path: std::env::args().nth(1).map(Into::into),
            ..LibraryOptions::default()
        },
        ..Options::default()
    };
    let works = [
        Work::Product {
            rows: 64,
            inputs: 1024,
            outputs: 1024,
        },
        Work::Product {
            rows: 1,
            inputs: 1024,
            outputs: 1024,
        },
        Work::Convolution {
            side: 56,
            channels: 64,
        },
    ];
    for work in works {
        match compare(work, &options) {
            Ok(comparison) => print!("{comparison}"),
            Err(error) => {
                eprintln!("{work}: {error}");
                std::process::exit(1);
            }
        }
    }
}
