//! A record that is larger than its topic takes, made smaller: without the image before the change,
//! and then with the ends of some columns cut off. Its schema stays.

use super::column::ColumnPlan;
use super::{Body, PlanError, RecordPlan};
use crate::avro::{put_bytes, put_long};
use crate::change::RowChange;
use crate::envelope::{EventSource, Source};
use crate::plan::record::Row;
use crate::types::{BinaryMode, Form};

/// Most bytes of an Avro length.
const LENGTH_BYTES: usize = 10;

/// How large a value may be, and what it may lose.
#[derive(Debug, Clone, Copy)]
pub struct Fit<'a> {
    /// Columns whose ends may be cut off, of those that [`RecordPlan::columns_to_cut`] tells of.
    pub columns: &'a [usize],
    /// The most bytes that the value may have.
    pub bytes: usize,
}

/// What a value has lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Whether the image before the change is left out.
    pub before: bool,
    /// The columns that are cut, by their numbers.
    pub columns: Vec<usize>,
}

/// Where a text can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Between two characters.
    Character,
    /// After each so many bytes.
    Every(usize),
}

impl Cut {
    fn of(column: &ColumnPlan) -> Option<Self> {
        match (&column.form, &column.rule) {
            (Form::Text, None) => Some(Self::Character),
            (Form::Bytes(mode), None) => Some(Self::Every(match mode {
                BinaryMode::Bytes => 1,
                BinaryMode::Base64 | BinaryMode::Base64UrlSafe => 4,
                BinaryMode::Hex => 2,
            })),
            (_, _) => None,
        }
    }

    /// How many bytes are kept of a value of which so many fit.
    fn keep(self, value: &[u8], fitting: usize) -> usize {
        let fitting = fitting.min(value.len());
        match self {
            Self::Every(step) => fitting - fitting % step,
            Self::Character => {
                let is_begin =
                    |at: &usize| value.get(*at).is_none_or(|byte| byte & 0b1100_0000 != 0x80);
                (0..=fitting).rev().find(is_begin).unwrap_or(0)
            }
        }
    }
}

/// How a row is written.
struct Cutter<'a> {
    columns: &'a [usize],
    /// The most bytes that are kept of each.
    longest: usize,
    /// The length of each of the columns, as the row has it.
    lengths: Vec<usize>,
    cut: Vec<usize>,
}

impl RecordPlan {
    /// The columns whose ends can be cut off: text and bytes that are in no key. Each with its
    /// number among those that are written and its place in the row.
    pub fn columns_to_cut(&self) -> impl Iterator<Item = (usize, usize)> {
        let is_key = |column: &ColumnPlan| {
            let mut keys = self.key.iter().chain(self.identity.iter().flatten());
            keys.any(|key| key.index == column.index)
        };
        let columns = self.columns.iter().enumerate();
        columns
            .filter(move |(_, column)| Cut::of(column).is_some() && !is_key(column))
            .map(|(number, column)| (number, column.index))
    }

    /// Appends a value that is not larger than it may be: without the image before the change, and
    /// if that is not enough, with columns cut. Returns what it has lost; none, with nothing
    /// appended, if it would still be too large.
    ///
    /// # Errors
    ///
    /// Returns [`PlanError`] naming the column that does not hold a value of its type.
    pub fn write_fitting<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        (now_us, fit): (i64, Fit<'_>),
        out: &mut Vec<u8>,
    ) -> Result<Option<Lost>, PlanError> {
        let start = out.len();
        let before = !self.is_flat() && change.before().is_some();
        let mut cutter = Cutter::new(&[], 0);
        self.write_cut(change, source, (now_us, &mut cutter), out)?;
        if out.len() - start <= fit.bytes {
            return Ok(Some(Lost { before, columns: Vec::new() }));
        }
        // With nothing left of the columns, to see what all else takes.
        out.truncate(start);
        let mut cutter = Cutter::new(fit.columns, 0);
        self.write_cut(change, source, (now_us, &mut cutter), out)?;
        let rest = fit.bytes.checked_sub(out.len() - start);
        let rest = rest.and_then(|rest| rest.checked_sub(LENGTH_BYTES * cutter.lengths.len()));
        out.truncate(start);
        let Some(rest) = rest else { return Ok(None) };
        let mut cutter = Cutter::new(fit.columns, longest(&cutter.lengths, rest));
        self.write_cut(change, source, (now_us, &mut cutter), out)?;
        Ok(Some(Lost { before, columns: cutter.cut }))
    }

    fn write_cut<R: Row>(
        &self,
        change: &RowChange<R>,
        source: &Source<'_>,
        (now_us, cutter): (i64, &mut Cutter<'_>),
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        out.extend_from_slice(&self.value_frame);
        match &self.body {
            Body::Envelope => {
                put_long(0, out);
                put_long(i64::from(change.after().is_some()), out);
                if let Some(row) = change.after() {
                    self.write_cut_row(row, cutter, out)?;
                }
                let mut event = EventSource::default();
                event.begin(now_us);
                self.source.write(change.op_letter(), source, &mut event, out);
            }
            Body::Flat(flat) => {
                if let Some(row) = change.after().or(change.before()) {
                    self.write_cut_row(row, cutter, out)?;
                }
                flat.write(change, source, now_us, out)?;
            }
        }
        Ok(())
    }

    fn write_cut_row<R: Row>(
        &self,
        row: &R,
        cutter: &mut Cutter<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        for (number, column) in self.columns.iter().enumerate() {
            let start = out.len();
            let cell = column.cell(row);
            let is_null = cell.is_none();
            let loss = column.write(cell, out).map_err(|error| column.error(error))?;
            // What is written in place of a value is short, and may be of another form.
            if !is_null && loss.is_none() && cutter.columns.contains(&number) {
                let branch = usize::from(column.branch.is_some());
                cutter.cut(number, column, start + branch, out);
            }
        }
        Ok(())
    }
}

impl<'a> Cutter<'a> {
    fn new(columns: &'a [usize], longest: usize) -> Self {
        Self { columns, longest, lengths: Vec::new(), cut: Vec::new() }
    }

    /// Cuts the value that stands, with its length before it, from `start` to the end.
    fn cut(&mut self, number: usize, column: &ColumnPlan, start: usize, out: &mut Vec<u8>) {
        let Some(how) = Cut::of(column) else { return };
        let written = out.get(start..).unwrap_or_default();
        let length_bytes = written.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let value = written.get(length_bytes..).unwrap_or_default();
        self.lengths.push(value.len());
        let kept = value.get(..how.keep(value, self.longest)).unwrap_or_default().to_vec();
        if kept.len() < value.len() {
            out.truncate(start);
            put_bytes(&kept, out);
            self.cut.push(number);
        }
    }
}

/// The longest that each value may be so that all of them take no more than `bytes`: short ones
/// stay whole, the others share what is left.
fn longest(lengths: &[usize], bytes: usize) -> usize {
    let mut ordered = lengths.to_vec();
    ordered.sort_unstable();
    let (mut left, mut count) = (bytes, ordered.len());
    for length in ordered {
        let share = left.checked_div(count).unwrap_or(0);
        if length > share {
            return share;
        }
        left -= length;
        count -= 1;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_fill_what_there_is_and_no_more(
            lengths in prop::collection::vec(0_usize..2000, 0..8),
            bytes in 0_usize..5000,
        ) {
            let longest = longest(&lengths, bytes);
            let taken = |longest| lengths.iter().map(|length| (*length).min(longest)).sum::<usize>();

            prop_assert!(taken(longest) <= bytes);
            if longest < usize::MAX {
                prop_assert!(taken(longest + 1) > bytes, "one more byte each would not fit");
            }
        }

        #[test]
        fn a_text_is_cut_between_characters(text in "\\PC{0,20}", fitting in 0_usize..90) {
            let kept = Cut::Character.keep(text.as_bytes(), fitting);

            prop_assert!(kept <= fitting && text.is_char_boundary(kept));
            prop_assert!(kept + 4 > fitting.min(text.len()), "no whole character is lost");
        }
    }

    #[test]
    fn encoded_bytes_are_cut_where_they_can_be_decoded() {
        assert_eq!(Cut::Every(4).keep(b"AAAABBBB", 7), 4);
        assert_eq!(Cut::Every(2).keep(b"00ff", 3), 2);
        assert_eq!(Cut::Every(1).keep(b"00ff", 9), 4);
    }
}
