//! Columns of numbers as few bytes: what is alike stands together, and mostly differs little from
//! what stands before it.
//!
//! A column is a row of LEB128 numbers: as they are, or (where they rise or hardly change) each as
//! the difference from the one before, with the sign in the lowest bit.

use serde::Serialize;

/// What the page must know to decode a column: they follow one another in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Column {
    name: &'static str,
    /// `u` as they are, `d` as differences.
    form: char,
    count: usize,
}

/// Columns, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) list: Vec<Column>,
    pub(crate) bytes: Vec<u8>,
}

impl Columns {
    /// A column of any numbers. One of zeros only is left out: the page takes them for granted.
    pub(crate) fn plain(&mut self, name: &'static str, numbers: impl Iterator<Item = u64>) {
        self.column(name, 'u', numbers, |_, number| number);
    }

    /// A column of numbers that differ little from the one before.
    pub(crate) fn differences(&mut self, name: &'static str, numbers: impl Iterator<Item = u64>) {
        self.column(name, 'd', numbers, |before, number| {
            let difference = number.wrapping_sub(before) as i64;
            ((difference << 1) ^ (difference >> 63)) as u64
        });
    }

    fn column(
        &mut self,
        name: &'static str,
        form: char,
        numbers: impl Iterator<Item = u64>,
        coded: impl Fn(u64, u64) -> u64,
    ) {
        let begin = self.bytes.len();
        let (mut before, mut count, mut all_zero) = (0, 0, true);
        for number in numbers {
            push(&mut self.bytes, coded(before, number));
            all_zero &= number == 0;
            before = number;
            count += 1;
        }
        if all_zero {
            self.bytes.truncate(begin);
        } else {
            self.list.push(Column { name, form, count });
        }
    }
}

fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
pub(crate) mod decode {
    //! The columns again, as the page decodes them.

    use std::collections::HashMap;

    use serde_json::Value;

    pub(crate) fn columns(list: &Value, mut bytes: &[u8]) -> HashMap<String, Vec<u64>> {
        let mut out = HashMap::new();
        for column in list.as_array().unwrap() {
            let differences = column["form"] == "d";
            let mut before = 0u64;
            let mut numbers = Vec::new();
            for _ in 0..column["count"].as_u64().unwrap() {
                let (number, rest) = number(bytes);
                bytes = rest;
                before = match differences {
                    true => before.wrapping_add((number >> 1) ^ (number & 1).wrapping_neg()),
                    false => number,
                };
                numbers.push(before);
            }
            out.insert(column["name"].as_str().unwrap().into(), numbers);
        }
        assert!(bytes.is_empty());
        out
    }

    fn number(bytes: &[u8]) -> (u64, &[u8]) {
        let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let parts = bytes[..=end].iter().rev();
        let number = parts.fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
        (number, &bytes[end + 1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_zeros_cost_nothing() {
        let numbers = [0, 1, 127, 128, 5, u64::MAX, 0, 1 << 53, 7];
        let mut columns = Columns::default();
        columns.plain("a", numbers.into_iter());
        columns.plain("zeros", [0, 0].into_iter());
        columns.differences("b", numbers.into_iter());
        columns.differences("none", [].into_iter());
        let list = serde_json::to_value(&columns.list).unwrap();
        let decoded = decode::columns(&list, &columns.bytes);
        assert_eq!(decoded.len(), 2);
        assert_eq!(
            (&decoded["a"][..], &decoded["b"][..]),
            (&numbers[..], &numbers[..])
        );
    }

    #[test]
    fn what_rises_slowly_takes_a_byte_each() {
        let mut columns = Columns::default();
        columns.differences("tid", 40_000..41_000);
        assert!(columns.bytes.len() <= 1_002, "{}", columns.bytes.len());
    }
}
