//! Compiles generated source, and replays inputs on the host and in the emulated Cortex-M4.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// For every file, wherever it runs.
const STRICT: [&str; 5] = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"];

const CORTEX: [&str; 7] = [
    "-mcpu=cortex-m4",
    "-mthumb",
    "-ffunction-sections",
    "-nostartfiles",
    "--specs=nano.specs",
    "-Wl,--gc-sections",
    "-Tmps2_an386.ld",
];

/// What the program says of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) inputs: u32,
    /// Bytes of stack that were ever written.
    pub(super) stack: u32,
    ticks: u64,
    least_ticks: u32,
    most_ticks: u32,
    control_ticks: u32,
    pub(super) control_instructions: u32,
}

/// A run over inputs.
#[derive(Debug, Clone)]
pub(super) struct Replayed {
    pub(super) outputs: Vec<u8>,
    pub(super) report: Report,
}

/// Sections of a program, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) text: u32,
    pub(super) data: u32,
    pub(super) bss: u32,
}

/// What the row cannot do without.
pub(super) fn check_tools() -> Result<()> {
    for program in ["arm-none-eabi-gcc", "qemu-system-arm"] {
        let mut command = Command::new(program);
        let status = command.arg("--version").stdout(Stdio::null()).status();
        if !status.is_ok_and(|status| status.success()) {
            bail!("{program} is missing: run `make setup`");
        }
    }
    Ok(())
}

/// Outputs of the source on the host.
pub(super) fn host(folder: &Path, inputs: &[Vec<i8>]) -> Result<Vec<u8>> {
    std::fs::write(folder.join("host.bin"), bytes(inputs))?;
    compile("cc", folder, &["net.c", "host_main.c", "-o", "host"])?;
    compile("cc", folder, &["net.c", "net_check.c", "-o", "check"])?;
    run(Command::new("./check").current_dir(folder))?;
    let input = std::fs::File::open(folder.join("host.bin"))?;
    run(Command::new("./host").current_dir(folder).stdin(input))
}

/// The program for the emulator, in a folder of its own.
pub(super) fn build(folder: &Path, name: &str, flags: &[&str]) -> Result<PathBuf> {
    let program = folder.join(name).join("net.elf");
    std::fs::create_dir_all(folder.join(name))?;
    let output = program.to_str().context("a path of text")?;
    let mut arguments: Vec<&str> = CORTEX.iter().chain(flags).copied().collect();
    arguments.extend(["net.c", "cortex_main.c", "cortex_start.c", "-o", output]);
    compile("arm-none-eabi-gcc", folder, &arguments)?;
    Ok(program)
}

fn compile(compiler: &str, folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(compiler);
    command.args(STRICT).args(arguments).current_dir(folder);
    run(&mut command).map(|_| ())
}

/// Half of the inputs on each of two emulators.
pub(super) fn replay_all(program: &Path, inputs: &[Vec<i8>]) -> Result<Vec<Replayed>> {
    let (first, second) = inputs.split_at(inputs.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| replay(program, second, None));
        let mine = replay(program, first, None)?;
        let other = other
            .join()
            .ok()
            .context("an emulator's thread panicked")??;
        Ok(vec![mine, other])
    })
}

/// Replays inputs; with `icount`, an instruction takes `2^icount` ns of the emulated clock.
pub(super) fn replay(program: &Path, inputs: &[Vec<i8>], icount: Option<u32>) -> Result<Replayed> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("input.bin"), bytes(inputs))?;
    let mut command = Command::new("qemu-system-arm");
    command
        .args([
            "-M",
            "mps2-an386",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "none",
        ])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(program)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    if let Some(shift) = icount {
        command.args(["-icount", &format!("shift={shift}")]);
    }
    run(&mut command)?;
    let outputs = std::fs::read(folder.path().join("output.bin"))?;
    let report = std::fs::read(folder.path().join("report.bin"))?;
    let words = report
        .as_chunks()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word));
    let words: Vec<u32> = words.collect();
    let &[inputs_done, stack, low, high, least, most, control, known] = words.as_slice() else {
        bail!("the program's report has {} bytes", report.len());
    };
    ensure!(
        inputs_done as usize == inputs.len(),
        "{inputs_done} inputs were replayed"
    );
    Ok(Replayed {
        outputs,
        report: Report {
            inputs: inputs_done,
            stack,
            ticks: u64::from(high) << 32 | u64::from(low),
            least_ticks: least,
            most_ticks: most,
            control_ticks: control,
            control_instructions: known,
        },
    })
}

impl Report {
    /// A tick is 40 ns; with `-icount shift=6` an instruction takes 64.
    const fn counted(ticks: u64) -> u64 {
        ticks * 40 / 64
    }

    pub(super) const fn instructions(&self) -> u64 {
        Self::counted(self.ticks)
    }

    pub(super) const fn least(&self) -> u64 {
        Self::counted(self.least_ticks as u64)
    }

    pub(super) const fn most(&self) -> u64 {
        Self::counted(self.most_ticks as u64)
    }

    /// What was counted of a known row of instructions.
    pub(super) const fn control(&self) -> u64 {
        Self::counted(self.control_ticks as u64)
    }
}

impl Size {
    pub(super) fn of(program: &Path) -> Result<Self> {
        let output = run(Command::new("arm-none-eabi-size").arg(program))?;
        let text = String::from_utf8(output)?;
        let line = text.lines().nth(1).context("a line of sizes")?;
        let words = line.split_whitespace().take(3).map(str::parse);
        let numbers: Vec<u32> = words.collect::<Result<_, _>>()?;
        let &[text, data, bss] = numbers.as_slice() else {
            bail!("sizes are told otherwise: {line}");
        };
        Ok(Self { text, data, bss })
    }
}

fn bytes(inputs: &[Vec<i8>]) -> Vec<u8> {
    let levels = inputs.iter().flatten();
    levels.map(|level| level.cast_unsigned()).collect()
}

fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{text}",
        output.status
    );
    Ok(output.stdout)
}
