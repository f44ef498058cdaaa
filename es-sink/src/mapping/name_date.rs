//! The date in an index's name: `{column:created_at:yyyy.MM.dd}`.

use schema::date_hour::DateHour;

/// How a date is written: letters as Java and Elasticsearch have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatePattern {
    pieces: Box<[Piece]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Between(char),
}

/// What stands for a digit in a name's shape. No name has it.
pub(super) const ANY_DIGIT: char = '\0';

impl DatePattern {
    /// `None` for what has other letters, or none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let known =
            [("yyyy", Piece::Year), ("MM", Piece::Month), ("dd", Piece::Day), ("HH", Piece::Hour)];
        let (mut rest, mut pieces) = (text, Vec::new());
        while let Some(next) = rest.chars().next() {
            let found =
                known.iter().find_map(|(word, piece)| Some((rest.strip_prefix(word)?, *piece)));
            let (behind, piece) = match found {
                Some(found) => found,
                None if ['.', '-', '_'].contains(&next) => {
                    (rest.strip_prefix(next)?, Piece::Between(next))
                }
                None => return None,
            };
            rest = behind;
            pieces.push(piece);
        }
        let has_date = pieces.iter().any(|piece| !matches!(piece, Piece::Between(_)));
        has_date.then(|| Self { pieces: pieces.into() })
    }

    pub(super) fn write(&self, date: DateHour, out: &mut String) {
        for piece in &self.pieces {
            let (number, width) = match piece {
                Piece::Year => (date.year, 4),
                Piece::Month => (date.month, 2),
                Piece::Day => (date.day, 2),
                Piece::Hour => (date.hour, 2),
                Piece::Between(letter) => {
                    out.push(*letter);
                    continue;
                }
            };
            out.push_str(&format!("{number:0width$}"));
        }
    }

    /// As [`Self::write`] of any date.
    pub(super) fn write_shape(&self, out: &mut String) {
        for piece in &self.pieces {
            let digits = match piece {
                Piece::Year => 4,
                Piece::Month | Piece::Day | Piece::Hour => 2,
                Piece::Between(letter) => {
                    out.push(*letter);
                    continue;
                }
            };
            out.extend(std::iter::repeat_n(ANY_DIGIT, digits));
        }
    }

    /// Adds what of a date its name says to what others say of it.
    pub(super) fn keep(&self, date: DateHour, kept: &mut DateHour) {
        for piece in &self.pieces {
            match piece {
                Piece::Year => kept.year = date.year,
                Piece::Month => kept.month = date.month,
                Piece::Day => kept.day = date.day,
                Piece::Hour => kept.hour = date.hour,
                Piece::Between(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_letters_of_dates_and_what_names_may_have_between_them() {
        let date = DateHour { year: 987, month: 6, day: 5, hour: 4 };
        let written = |pattern: &str| {
            let mut out = String::new();
            DatePattern::parse(pattern)?.write(date, &mut out);
            Some(out)
        };

        assert_eq!(written("yyyy.MM.dd").unwrap(), "0987.06.05");
        assert_eq!(written("yyyyMMdd-HH").unwrap(), "09870605-04");
        for wrong in ["", ".", "yy", "YYYY", "yyyy/MM", "yyyy.mm", "yyyy MM", "ww"] {
            assert_eq!(written(wrong), None, "{wrong}");
        }
    }
}
