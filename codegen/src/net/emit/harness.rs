//! The program that replays inputs on an emulated Cortex-M4, for a network of any name.

use super::SourceFile;

const FILES: [(&str, &str); 4] = [
    (
        "cortex_main.c",
        include_str!("../../../harness/cortex/main.c"),
    ),
    (
        "cortex_start.c",
        include_str!("../../../harness/cortex/start.c"),
    ),
    (
        "mps2_an386.ld",
        include_str!("../../../harness/cortex/mps2_an386.ld"),
    ),
    (
        "host_main.c",
        include_str!("../../../harness/cortex/host.c"),
    ),
];

/// The harness for the network called `name`: `cortex_main.c` and `cortex_start.c` with the linker
/// script `mps2_an386.ld` make a program for `qemu-system-arm -M mps2-an386`; `host_main.c` replays
/// standard input to standard output on the host.
pub fn cortex_harness(name: &str) -> Vec<SourceFile> {
    let upper = name.to_uppercase();
    let file = |(file, text): (&str, &str)| SourceFile {
        name: file.into(),
        text: text
            .replace("\"net.h\"", &format!("\"{name}.h\""))
            .replace("net_", &format!("{name}_"))
            .replace("NET_", &format!("{upper}_")),
    };
    FILES.into_iter().map(file).collect()
}
