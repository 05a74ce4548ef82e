//! What a model costs on this machine: memory at each step, CPU time of preprocessing and of
//! one inference.
//!
//! `measure MODEL`, with `NOROSHI_ONNXRUNTIME` set.

use std::path::Path;

use noroshi_engine::{
    Engine, EngineError, Frame, ModelSource, Options, Preprocessor, isa, median_cpu, memory, open,
    warm,
};
use noroshi_model::{
    ColorOrder, ElementType, EngineKind, InputSpec, Layout, Normalization, Resize,
};

fn main() -> Result<(), EngineError> {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: measure MODEL");
        std::process::exit(2);
    };
    let options = Options::default();
    tell("started");
    let library = warm(&options.library)?;
    tell("library loaded");
    let mut engine = open(
        EngineKind::OnnxRuntime,
        ModelSource::Path(Path::new(&path)),
        &options,
    )?;
    tell("model open");
    run(&mut *engine)?;
    tell("ran");
    println!("onnxruntime {} on {}", library.version, isa());
    Ok(())
}

fn run(engine: &mut dyn Engine) -> Result<(), EngineError> {
    let name = engine.inputs()[0].name.clone();
    let mut preprocessor = Preprocessor::new(&InputSpec {
        name,
        height: 224,
        width: 224,
        dtype: ElementType::F32,
        layout: Layout::Nchw,
        color: ColorOrder::Rgb,
        resize: Resize::CenterCrop { short_side: 256 },
        features: None,
        normalization: Normalization::IMAGENET,
    })?;
    let pixels: Vec<u8> = (0..512 * 512 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let frame = Frame::rgb(512, 512, &pixels)?;
    let time = median_cpu(2, 21, || preprocessor.run(&frame).map(drop))?;
    println!("preprocess 512x512: {:.3} ms", time.as_secs_f64() * 1e3);
    let input = preprocessor.run(&frame)?.clone();
    let time = median_cpu(3, 31, || engine.run(std::slice::from_ref(&input)).map(drop))?;
    println!("inference: {:.3} ms", time.as_secs_f64() * 1e3);
    Ok(())
}

fn tell(what: &str) {
    if let Ok(memory) = memory() {
        println!(
            "{what}: {:.1} MB resident, {:.1} MB at most",
            memory.resident as f64 / 1e6,
            memory.peak as f64 / 1e6
        );
    }
}
