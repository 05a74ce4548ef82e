//! Rows of a CSV as what every device must answer alike.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use noroshi_engine::{Frame, Preprocessor, Tensor};
use noroshi_model::InputSpec;

use crate::error::{Failure, Tried};

/// Rows that are taken at most: the first ones.
const ROWS: usize = 32;
/// Bytes of a line at most.
const LINE: u64 = 256 << 10;

/// The first rows of the files, each as bytes of its numbers.
pub(super) fn read(files: &[PathBuf], input: &InputSpec) -> Result<Vec<Vec<u8>>, Failure> {
    let mut rows = Vec::new();
    for file in files {
        let mut source = BufReader::new(std::fs::File::open(file).tried(file.display())?);
        let mut number = 0;
        loop {
            let mut line = String::new();
            let read = (&mut source).take(LINE).read_line(&mut line);
            if read.tried(file.display())? == 0 || rows.len() == ROWS {
                break;
            }
            number += 1;
            let fields: Vec<&str> = line.trim().split(',').map(str::trim).collect();
            let names = fields.iter().all(|field| field.parse::<f32>().is_err());
            if names && number == 1 || line.trim().is_empty() {
                continue;
            }
            let row = row(&fields, input.width as usize);
            rows.push(row.map_err(|why| {
                Failure::Usage(format!("{} line {number}: {why}", file.display()))
            })?);
        }
    }
    if rows.is_empty() {
        return Err(Failure::Usage(
            "--golden has no row of numbers: give a CSV such as the one the model was trained on"
                .into(),
        ));
    }
    Ok(rows)
}

fn row(fields: &[&str], columns: usize) -> Result<Vec<u8>, String> {
    if fields.len() != columns && fields.len() != columns + 1 {
        return Err(format!(
            "{} fields; the model takes {columns} numbers, and a class behind them may stand",
            fields.len()
        ));
    }
    let mut bytes = Vec::with_capacity(4 * columns);
    for (column, field) in fields[..columns].iter().enumerate() {
        match field.parse::<f32>() {
            Ok(number) if number.is_finite() => bytes.extend_from_slice(&number.to_le_bytes()),
            _ => return Err(format!("column {column} is {field:?}, no finite number")),
        }
    }
    Ok(bytes)
}

/// The rows as the model's inputs.
pub(super) fn inputs(rows: &[Vec<u8>], input: &InputSpec) -> Result<Vec<Tensor>, Failure> {
    let mut preprocessor = Preprocessor::new(input).tried("the input")?;
    rows.iter()
        .map(|row| {
            let frame = Frame::numbers(row).tried("the rows")?;
            preprocessor.run(&frame).cloned().tried("the rows")
        })
        .collect()
}
