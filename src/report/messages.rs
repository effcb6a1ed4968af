//! Failures by their messages.

use std::collections::HashMap;

/// How many distinct messages are kept; what is beyond is counted together.
const DISTINCT: usize = 1_000;

/// How often each message was seen, where messages that differ only in numbers and quoted text are taken together.
#[derive(Debug, Default)]
pub(super) struct Messages {
    seen: HashMap<String, Seen>,
    /// Those whose message is not kept.
    others: usize,
}

#[derive(Debug)]
pub(super) struct Seen {
    /// The first message as it was.
    pub(super) first: String,
    pub(super) count: usize,
}

impl Messages {
    fn add(&mut self, message: &str) {
        let shape = shape(message);
        if let Some(seen) = self.seen.get_mut(&shape) {
            seen.count += 1;
        } else if self.seen.len() < DISTINCT {
            let first = message.to_string();
            self.seen.insert(shape, Seen { first, count: 1 });
        } else {
            self.others += 1;
        }
    }

    /// The most frequent ones, and how many failures have another message.
    pub(super) fn most(&self, count: usize) -> (Vec<&Seen>, usize) {
        let mut seen: Vec<&Seen> = self.seen.values().collect();
        seen.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.first.cmp(&b.first)));
        let rest = seen.split_off(count.min(seen.len()));
        let others = rest.iter().map(|seen| seen.count).sum::<usize>() + self.others;
        (seen, others)
    }
}

impl<T: AsRef<str>> FromIterator<T> for Messages {
    fn from_iter<I: IntoIterator<Item = T>>(messages: I) -> Self {
        let mut all = Messages::default();
        messages
            .into_iter()
            .for_each(|message| all.add(message.as_ref()));
        all
    }
}

/// A message without what differs from row to row: each number is one `#`, and each quoted text is empty.
fn shape(message: &str) -> String {
    let mut shape = String::with_capacity(message.len());
    let mut letters = message.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '`' => {
                shape.push(letter);
                if letters.clone().any(|other| other == letter) {
                    letters.by_ref().find(|other| *other == letter);
                    shape.push(letter);
                }
            }
            _ if letter.is_ascii_digit() => {
                while letters
                    .next_if(|other| other.is_ascii_digit() || matches!(other, '.' | ',' | '_'))
                    .is_some()
                {}
                shape.push('#');
            }
            _ => shape.push(letter),
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_shape_are_counted_together() {
        let messages = [
            "no unit in \"21.5\"",
            "no unit in \"x \\\"\"",
            "row 7 is late",
            "row 1,234 is late",
            "late",
        ];
        let messages: Messages = messages.into_iter().collect();
        let (most, others) = messages.most(2);
        let most: Vec<_> = most
            .iter()
            .map(|seen| (seen.first.as_str(), seen.count))
            .collect();
        assert_eq!(most, [("row 7 is late", 2), ("late", 1)]);
        assert_eq!(others, 2);
    }

    #[test]
    fn what_is_quoted_or_counted_is_left_out() {
        for (message, expected) in [
            ("no unit in \"21.5\"", "no unit in \"\""),
            ("an open \"quote 7", "an open \"quote #"),
            ("`f64` at 1_000.5", "`` at #"),
            ("7 of 8", "# of #"),
            ("größe ½", "größe ½"),
        ] {
            assert_eq!(shape(message), expected);
        }
    }

    #[test]
    fn too_many_messages_are_counted() {
        // Words, since messages that differ in digits alone are one.
        let word =
            |n: usize| [n / 100, n / 10 % 10, n % 10].map(|digit| char::from(b'a' + digit as u8));
        let words = (0..1_200).map(|n| String::from_iter(word(n % 1_000)) + &"z".repeat(n / 1_000));
        let messages: Messages = words.collect();
        assert_eq!(messages.seen.len(), DISTINCT);
        assert_eq!(messages.most(10).1, 1_190);
    }
}
