//! Rows of numbers, one a line: what sensors write into a file or a pipe, or a command to its
//! output.
//!
//! Numbers are parted by commas, semicolons, tabs or spaces; brackets around them, as in JSON, are
//! fine. Empty lines are nothing. A first line without a single number names the columns and is
//! skipped; any other line that is not all numbers is unreadable, and the source goes on.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::rc::Rc;

use super::{Next, Picture, Pictures, RowsFile};
use crate::AgentError;
use crate::ring::PixelFormat;

/// Numbers of a row at most.
pub(super) const NUMBERS: usize = 4_096;
/// Bytes of a line at most.
const LINE: usize = 64 << 10;

/// Lines of a stream as rows.
pub(super) struct Lines<R> {
    from: R,
    /// Lines read so far.
    number: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            number: 0,
            line: Vec::new(),
        }
    }

    /// The stream below, for who reads it otherwise.
    pub(super) fn from(&mut self) -> &mut R {
        &mut self.from
    }

    /// The next row, or why the next line is none; `None` at the end of the stream.
    pub(super) fn next(&mut self) -> Result<Option<Next>, AgentError> {
        while self.read_line()? {
            self.number += 1;
            let name = self.number.to_string();
            let line = String::from_utf8_lossy(&self.line);
            if self.line.len() > LINE {
                let why = format!("the line has more than {LINE} bytes");
                return Ok(Some(Next::Unreadable { name, why }));
            }
            if line.trim().is_empty() || (self.number == 1 && names_columns(&line)) {
                continue;
            }
            return Ok(Some(match row(&line) {
                Ok(numbers) => Next::Picture(picture(name, &numbers)),
                Err(why) => Next::Unreadable { name, why },
            }));
        }
        Ok(None)
    }

    /// Reads a line, of a longer one no more than its beginning; false at the end.
    fn read_line(&mut self) -> Result<bool, AgentError> {
        self.line.clear();
        let limit = LINE as u64 + 1;
        let failed = AgentError::io("read rows");
        let read = (&mut self.from)
            .take(limit)
            .read_until(b'\n', &mut self.line);
        if read.map_err(failed)? == 0 {
            return Ok(false);
        }
        if !self.line.ends_with(b"\n") && self.line.len() > LINE {
            self.skip_line()?;
        }
        Ok(true)
    }

    fn skip_line(&mut self) -> Result<(), AgentError> {
        loop {
            let there = match self.from.fill_buf() {
                Ok(there) => there,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(AgentError::io("read rows")(e)),
            };
            if there.is_empty() {
                return Ok(());
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(there.len(), |at| at + 1);
            self.from.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    let line = line.trim();
    let inside = line
        .strip_prefix('[')
        .and_then(|line| line.strip_suffix(']'));
    let parted = inside.unwrap_or(line);
    // Where commas, semicolons or tabs part, spaces are only around.
    let by_mark = parted.contains([',', ';', '\t']);
    let apart = move |c: char| matches!(c, ',' | ';' | '\t') || (!by_mark && c == ' ');
    let fields = parted.split(apart).map(str::trim);
    fields.filter(move |field| by_mark || !field.is_empty())
}

fn names_columns(line: &str) -> bool {
    fields(line).all(|field| field.parse::<f32>().is_err())
}

fn row(line: &str) -> Result<Vec<f32>, String> {
    let mut numbers = Vec::new();
    for field in fields(line) {
        if numbers.len() == NUMBERS {
            return Err(format!("the row has more than {NUMBERS} numbers"));
        }
        match field.parse::<f32>() {
            Ok(number) if number.is_finite() => numbers.push(number),
            _ => {
                let field: String = field.chars().take(20).collect();
                let place = numbers.len();
                return Err(format!("column {place} is {field:?}, no finite number"));
            }
        }
    }
    if numbers.is_empty() {
        return Err("the row has no numbers".into());
    }
    Ok(numbers)
}

fn picture(name: String, numbers: &[f32]) -> Picture {
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    Picture {
        name,
        width: numbers.len() as u32,
        height: 1,
        format: PixelFormat::F32,
        pixels: Rc::new(bytes.collect()),
    }
}

/// Rows of a file, or of a named pipe or device that others write into.
pub(super) struct RowsPictures {
    file: RowsFile,
    lines: Option<Lines<BufReader<File>>>,
    /// Whether this round had a row.
    found: bool,
}

impl RowsPictures {
    pub(super) fn new(file: RowsFile) -> Self {
        Self {
            file,
            lines: None,
            found: false,
        }
    }
}

fn open(path: &Path) -> Result<Lines<BufReader<File>>, AgentError> {
    let file = File::open(path).map_err(AgentError::io(format!("open {}", path.display())))?;
    Ok(Lines::new(BufReader::new(file)))
}

impl Pictures for RowsPictures {
    fn next(&mut self) -> Result<Next, AgentError> {
        loop {
            let lines = match &mut self.lines {
                Some(lines) => lines,
                none => none.insert(open(&self.file.path)?),
            };
            if let Some(next) = lines.next()? {
                self.found |= matches!(next, Next::Picture(_));
                return Ok(next);
            }
            self.lines = None;
            if !std::mem::take(&mut self.found) {
                // Not again and again without a pause: the agent starts this process anew, later.
                return Err(AgentError::Source(format!(
                    "{} has no row of numbers",
                    self.file.path.display()
                )));
            }
            if !self.file.repeat {
                return Ok(Next::End);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> Vec<Result<Vec<f32>, String>> {
        let mut lines = Lines::new(text);
        let mut rows = Vec::new();
        while let Some(next) = lines.next().unwrap() {
            rows.push(match next {
                Next::Picture(picture) => {
                    assert_eq!((picture.height, picture.format), (1, PixelFormat::F32));
                    let (numbers, rest) = picture.pixels.as_chunks::<4>();
                    assert!(rest.is_empty() && numbers.len() == picture.width as usize);
                    Ok(numbers
                        .iter()
                        .map(|bytes| f32::from_le_bytes(*bytes))
                        .collect())
                }
                Next::Unreadable { name, why } => Err(format!("{name}: {why}")),
                Next::End => unreachable!("a stream of lines has no such end"),
            });
        }
        rows
    }

    #[test]
    fn sensors_write_rows_in_many_ways() {
        let text = b"temperature,flow\n1, 2.5\n\n[3,4]\r\n5;6\n7\t8\n 9  10 \n-1e3,.5";
        let rows: Vec<Vec<f32>> = all(text).into_iter().map(Result::unwrap).collect();
        let wanted = [
            [1.0, 2.5],
            [3.0, 4.0],
            [5.0, 6.0],
            [7.0, 8.0],
            [9.0, 10.0],
            [-1000.0, 0.5],
        ];
        assert_eq!(rows, wanted);
    }

    #[test]
    fn what_is_no_row_is_told_and_the_next_one_taken() {
        let long = "1,".repeat(LINE);
        let many = "1,".repeat(NUMBERS) + "1";
        let text = format!("1,2\n[]\nx,2\n1,,2\nNaN,1\ninf\n{long}\n{many}\n3,4\n");
        let rows = all(text.as_bytes());
        let faults: Vec<&String> = rows.iter().filter_map(|row| row.as_ref().err()).collect();
        assert_eq!((rows.len(), faults.len()), (9, 7), "{faults:?}");
        assert!(faults[1].contains("3: column 0 is \"x\""), "{faults:?}");
        assert!(faults[5].contains("65536 bytes"), "{faults:?}");
        assert!(faults[6].contains("4096 numbers"), "{faults:?}");
        assert_eq!(rows[8], Ok(vec![3.0, 4.0]));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for row in all(&bytes).into_iter().flatten() {
                prop_assert!(row.iter().all(|number| number.is_finite()));
            }
        }
    }
}
