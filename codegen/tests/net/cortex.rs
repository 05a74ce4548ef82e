//! The source on an emulated Cortex-M4.

use noroshi_codegen::net::{Sharing, Target, import};

use crate::common::{
    Numbers, answers, file_of, image_network, quantized, run, signal_network, write_source,
};

const FLAGS: [&str; 12] = [
    "-mcpu=cortex-m4",
    "-mthumb",
    "-std=c99",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffunction-sections",
    "-nostartfiles",
    "--specs=nano.specs",
    "-Wl,--gc-sections",
    "-Tmps2_an386.ld",
];

const EMULATOR: [&str; 10] = [
    "-M",
    "mps2-an386",
    "-display",
    "none",
    "-semihosting-config",
    "enable=on,target=native",
    "-icount",
    "shift=6",
    "-kernel",
    "net.elf",
];

#[test]
fn an_emulated_cortex_m4_answers_as_the_reference() {
    for model in [image_network(), signal_network()] {
        let network = import(&quantized(&model)).unwrap();
        let mut numbers = Numbers(3);
        let count = network.input().shape.count();
        let inputs: Vec<_> = (0..40).map(|_| numbers.levels(count)).collect();
        let wanted = answers(&network, &inputs);
        for plain in [&[][..], &["-DNOROSHI_PLAIN_C"][..]] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            write_source(&network, Target::CortexM4, Sharing::InPlace, &[], path);
            std::fs::write(path.join("input.bin"), file_of(&inputs)).unwrap();
            let mut arguments = FLAGS.to_vec();
            arguments.extend(plain);
            arguments.extend(["net.c", "cortex_main.c", "cortex_start.c", "-o", "net.elf"]);
            run(path, "arm-none-eabi-gcc", &arguments, None);
            run(path, "qemu-system-arm", &EMULATOR, None);
            let made = std::fs::read(path.join("output.bin")).unwrap();
            assert!(made == wanted, "{plain:?}: the emulator answers otherwise");
            let report = std::fs::read(path.join("report.bin")).unwrap();
            let words = report.as_chunks().0.iter();
            let words: Vec<u32> = words.map(|word| u32::from_le_bytes(*word)).collect();
            assert_eq!(words[0], 40);
            // A tick is 40 ns, an instruction 64: the control proves the count.
            let instructions = |ticks: u32| u64::from(ticks) * 40 / 64;
            let overhead = instructions(words[6]) - u64::from(words[7]);
            assert!(overhead <= 4, "{words:?}");
            eprintln!(
                "{plain:?}: stack {}, {} instructions",
                words[1],
                instructions(words[4])
            );
        }
    }
}
