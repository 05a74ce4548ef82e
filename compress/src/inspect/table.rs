//! An inspection as a table for people.

use std::fmt;

use super::{Inspection, Value};

/// Layers shown in a table, the ones with the most multiplications.
const LAYERS: usize = 10;

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = grouped;
        writeln!(
            f,
            "format       ONNX, IR {}, opset {}, {}",
            self.ir, self.opset, self.producer
        )?;
        writeln!(
            f,
            "size         {} bytes, weights {}",
            count(self.bytes),
            count(self.weight_bytes)
        )?;
        writeln!(
            f,
            "precision    {}",
            format!("{:?}", self.precision).to_lowercase()
        )?;
        for input in &self.inputs {
            writeln!(f, "input        {input}")?;
        }
        for output in &self.outputs {
            writeln!(f, "output       {output}")?;
        }
        self.work(f)?;
        let operators: Vec<_> = self
            .operators
            .iter()
            .map(|(o, n)| format!("{o} {n}"))
            .collect();
        writeln!(f, "operators    {}", operators.join(", "))?;
        self.rest(f)
    }
}

impl Inspection {
    /// What one inference takes.
    fn work(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = grouped;
        let (parameters, folded) = (count(self.parameters), count(self.folded_parameters));
        writeln!(
            f,
            "parameters   {parameters} (batch normalization folded: {folded})"
        )?;
        writeln!(f, "MACs         {}", count(self.macs))?;
        if self.other_macs > 0 {
            let macs = count(self.other_macs);
            writeln!(
                f,
                "             and {macs} of MatMul, ConvTranspose and recurrent layers"
            )?;
        }
        if self.inner_nodes > 0 {
            let nodes = self.inner_nodes;
            writeln!(
                f,
                "             and the work of {nodes} nodes inside If, Loop or Scan"
            )?;
        }
        writeln!(
            f,
            "activations  {} bytes at most{}",
            count(self.peak_activation_bytes),
            match self.peak_at.as_str() {
                "" => String::new(),
                node => format!(", at {node}"),
            }
        )?;
        if self.guessed_sizes {
            writeln!(
                f,
                "             free sizes of the input count as 224, a free batch as 1"
            )?;
        }
        if self.unknown_shapes > 0 {
            let unknown = self.unknown_shapes;
            writeln!(
                f,
                "             {unknown} values of unknown size are not counted"
            )?;
        }
        Ok(())
    }

    /// What dominates, who can run it, and the layers with the most work.
    fn rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = grouped;
        let dominant = [
            ("the work", &self.dominant.macs),
            ("the weights", &self.dominant.weights),
            ("the outputs", &self.dominant.output),
        ];
        for (what, share) in dominant {
            if let Some(share) = share {
                let (operator, layer) = (&share.operator, &share.layer);
                let percent = 100.0 * share.share;
                writeln!(
                    f,
                    "dominates    {operator} {layer}: {percent:.1} % of {what}"
                )?;
            }
        }
        for fit in &self.engines {
            writeln!(f, "engine       {fit}")?;
        }
        let mut layers: Vec<_> = self.layers.iter().filter(|layer| layer.macs > 0).collect();
        layers.sort_by_key(|layer| std::cmp::Reverse(layer.macs));
        if !layers.is_empty() {
            writeln!(
                f,
                "\n{:>7} {:>13} {:>11}  layer",
                "share", "MACs", "parameters"
            )?;
        }
        for layer in layers.into_iter().take(LAYERS) {
            let share = 100.0 * layer.macs as f64 / self.macs.max(1) as f64;
            let (macs, parameters) = (count(layer.macs), count(layer.parameters));
            let (operator, name, output) = (&layer.operator, &layer.name, &layer.output);
            writeln!(
                f,
                "{share:>6.1}% {macs:>13} {parameters:>11}  {operator} {name} {output:?}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = self
            .element
            .map_or("?".into(), |e| format!("{e:?}").to_lowercase());
        let dims = self
            .shape
            .iter()
            .map(|dim| dim.map_or("?".into(), |d| d.to_string()));
        write!(
            f,
            "{} {element}[{}]",
            self.name,
            dims.collect::<Vec<_>>().join(", ")
        )
    }
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
