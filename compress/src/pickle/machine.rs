//! A pickle machine that knows what a state dict needs and nothing more.
//!
//! Values live in one list and refer to each other by place, so that no file can build something
//! whose copying, printing or dropping recurses.

use super::value::{
    Global, NAME_LIMIT, Outcome, Place, RANK_LIMIT, StorageName, TensorView, Value, known_global,
};
use crate::{Error, Result};

/// Most instructions in one pickle. A network of ten thousand tensors takes half of it.
const INSTRUCTION_LIMIT: usize = 1_000_000;

/// Runs the pickle at the start of `bytes` and returns what it made and the bytes after it.
pub(super) fn run(bytes: &[u8]) -> Result<(Outcome, &[u8])> {
    let mut machine = Machine {
        rest: bytes,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    for _ in 0..INSTRUCTION_LIMIT {
        if machine.step()? {
            let top = machine.pop()?;
            return Ok((Outcome::new(machine.values, top), machine.rest));
        }
    }
    Err(Error::too_large(
        "the number of instructions in the pickle",
        INSTRUCTION_LIMIT as u64 + 1,
        INSTRUCTION_LIMIT as u64,
    ))
}

struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Place>,
    marks: Vec<usize>,
    /// Place remembered under each number.
    memo: Vec<Option<Place>>,
}

impl<'a> Machine<'a> {
    /// Carries out one instruction; true at the end of the pickle.
    fn step(&mut self) -> Result<bool> {
        let instruction = self.byte()?;
        match instruction {
            0x80 => self.protocol()?,
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'.' => return Ok(true),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool),
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()));
            }
            b'K' => {
                let value = self.byte()?;
                self.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(value.into()));
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Float);
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8c | b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            b'c' => self.global()?,
            0x93 => self.stack_global()?,
            b')' => self.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => self.short_tuple(usize::from(instruction - 0x84))?,
            b']' => self.push(Value::List(Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(&items)?;
            }
            b'q' => {
                let number = self.byte()?;
                self.remember(number.into())?;
            }
            b'r' => {
                let number = u32::from_le_bytes(self.array()?);
                self.remember(number as usize)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let number = self.byte()?;
                self.recall(number.into())?;
            }
            b'j' => {
                let number = u32::from_le_bytes(self.array()?);
                self.recall(number as usize)?;
            }
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            // The only state that state dicts carry is their own metadata.
            b'b' => drop(self.pop()?),
            other => {
                return Err(fault(format!(
                    "instruction {other:#04x} has no place in one"
                )));
            }
        }
        Ok(false)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let cut = || fault("the file ends inside a pickle, so it is truncated or garbled");
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(cut)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len() as Place);
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Place> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(fault("the pickle takes more than it gave"));
        }
        self.stack
            .pop()
            .ok_or_else(|| fault("the pickle takes more than it gave"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Place>> {
        let mark = self.marks.pop().ok_or_else(|| fault("a mark is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Result<&mut Value> {
        let place = *self
            .stack
            .last()
            .ok_or_else(|| fault("the pickle's stack is empty"))?;
        Ok(&mut self.values[place as usize])
    }

    fn protocol(&mut self) -> Result<()> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => Err(fault(format!(
                "pickle protocol {other} is not used by PyTorch"
            ))),
        }
    }

    fn long(&mut self) -> Result<()> {
        let length = usize::from(self.byte()?);
        let bytes = self.take(length)?;
        let value = if length <= 8 {
            let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) {
                0xff
            } else {
                0
            };
            let mut wide = [fill; 8];
            wide[..length].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        } else {
            Value::Long(bytes.to_vec())
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| fault("a text is no UTF-8"))?;
        self.push(Value::Text(text.to_owned()));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str> {
        let length = self.rest.iter().take(256).position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| fault("a name has no end"))?;
        let line = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| fault("a name is no UTF-8"))
    }

    fn global(&mut self) -> Result<()> {
        let (module, name) = (self.line()?, self.line()?);
        let global = known_global(module, name)?;
        self.push(Value::Global(global));
        Ok(())
    }

    fn stack_global(&mut self) -> Result<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let global = match (&self.values[module as usize], &self.values[name as usize]) {
            (Value::Text(module), Value::Text(name)) => known_global(module, name)?,
            _ => return Err(fault("a name is not a text")),
        };
        self.push(Value::Global(global));
        Ok(())
    }

    fn short_tuple(&mut self, length: usize) -> Result<()> {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn extend_list(&mut self, items: Vec<Place>) -> Result<()> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            _ => return Err(fault("it appends to something that is no list")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Place]) -> Result<()> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.top()? {
            Value::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            _ => return Err(fault("it sets items of something that is no dictionary")),
        }
        Ok(())
    }

    fn remember(&mut self, number: usize) -> Result<()> {
        // Python numbers them one after the other; a gap beyond that is somebody's trick.
        if number > self.values.len() {
            return Err(fault("it remembers under a number beyond all values"));
        }
        let place = *self
            .stack
            .last()
            .ok_or_else(|| fault("there is nothing to remember"))?;
        if self.memo.len() <= number {
            self.memo.resize(number + 1, None);
        }
        self.memo[number] = Some(place);
        Ok(())
    }

    fn recall(&mut self, number: usize) -> Result<()> {
        let place = self.memo.get(number).copied().flatten();
        self.stack
            .push(place.ok_or_else(|| fault("it recalls what it never remembered"))?);
        Ok(())
    }

    fn persistent(&mut self) -> Result<()> {
        let place = self.pop()?;
        let storage = self
            .storage_name(place)
            .ok_or_else(|| fault("a storage is ill described"))?;
        self.push(Value::Storage(storage));
        Ok(())
    }

    /// `("storage", type, key, location, elements[, view])`; views are of PyTorch 0.1 only.
    fn storage_name(&self, place: Place) -> Option<StorageName> {
        let items = self.tuple(place)?;
        let word = self.text_at(*items.first()?)?;
        let Value::Global(Global::Storage(kind)) = self.at(*items.get(1)?) else {
            return None;
        };
        let key = self.text_at(*items.get(2)?)?;
        let elements = self.size_at(*items.get(4)?)?;
        let whole = items
            .get(5)
            .is_none_or(|&view| matches!(self.at(view), Value::None));
        (word == "storage" && whole && key.len() <= NAME_LIMIT).then(|| StorageName {
            key: key.into(),
            kind: *kind,
            elements,
        })
    }

    fn reduce(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Global(global) = *self.at(function) else {
            return Err(fault("it calls something that is no function"));
        };
        let made = match global {
            Global::OrderedDict => {
                let empty = self.tuple(arguments).is_some_and(<[Place]>::is_empty);
                empty.then(|| Value::Dict(Vec::new()))
            }
            Global::RebuildTensor => self.tensor(arguments).map(Value::Tensor),
            Global::RebuildParameter | Global::Size => self
                .tuple(arguments)
                .and_then(|items| items.first())
                .map(|&inner| self.at(inner))
                .filter(|inner| match inner {
                    Value::Tensor(_) => true,
                    Value::Tuple(items) => items.len() <= RANK_LIMIT,
                    _ => false,
                })
                .cloned(),
            Global::Storage(_) => None,
        };
        self.push(made.ok_or_else(|| fault("a tensor is ill described"))?);
        Ok(())
    }

    /// `(storage, offset, sizes, strides, …)`
    fn tensor(&self, place: Place) -> Option<TensorView> {
        let items = self.tuple(place)?;
        let Value::Storage(storage) = self.at(*items.first()?) else {
            return None;
        };
        let sizes = |place: usize| -> Option<Vec<usize>> {
            let sizes = self.tuple(*items.get(place)?)?;
            (sizes.len() <= RANK_LIMIT).then_some(())?;
            sizes.iter().map(|&size| self.size_at(size)).collect()
        };
        let (shape, strides) = (sizes(2)?, sizes(3)?);
        let offset = self.size_at(*items.get(1)?)?;
        let storage = storage.clone();
        (shape.len() == strides.len()).then_some(TensorView {
            storage,
            offset,
            shape,
            strides,
        })
    }

    fn at(&self, place: Place) -> &Value {
        &self.values[place as usize]
    }

    fn tuple(&self, place: Place) -> Option<&[Place]> {
        match self.at(place) {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    fn text_at(&self, place: Place) -> Option<&str> {
        match self.at(place) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn size_at(&self, place: Place) -> Option<usize> {
        match self.at(place) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }
}

pub(super) fn fault(text: impl Into<String>) -> Error {
    Error::StateDict(text.into())
}
