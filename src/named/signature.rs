//! What a closure takes and returns, as text.

use std::any::type_name;

/// Returns the signature of a closure, such as `(f64, &str) -> Option<f64>`, from its marker type, which has the argument types,
/// and from its return type. (For a closure that calls another, the marker has the return type of the inner one.)
pub(super) fn signature_of<Marker, Out>() -> String {
    let taken = without_paths(taken(type_name::<Marker>()));
    format!("{taken} -> {}", without_paths(type_name::<Out>()))
}

/// Returns the arguments, in parentheses.
fn taken(marker: &str) -> &str {
    // The marker looks like `(module::OfCells, fn(A, B) -> Out)`, perhaps inside the marker of another closure.
    let Some(begin) = marker.find("fn(") else {
        return marker;
    };
    let arguments = &marker[begin + "fn".len()..];
    let mut depth = 0usize;
    for (at, letter) in arguments.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 1 => return &arguments[..=at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    arguments
}

/// Returns a type's name without the modules that lead to it: `alloc::string::String` becomes `String`.
fn without_paths(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut word = String::new();
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ':' if letters.peek() == Some(&':') => {
                letters.next();
                word.clear();
            }
            letter if letter.is_alphanumeric() || letter == '_' => word.push(letter),
            other => {
                out.push_str(&word);
                word.clear();
                out.push(other);
            }
        }
    }
    out + &word
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Marker<A, B>(std::marker::PhantomData<(A, B)>);

    #[test]
    fn types_have_their_names_alone() {
        type Result = std::result::Result<Option<String>, std::num::ParseIntError>;
        let said = signature_of::<(u8, fn(f64, &'static str, Vec<i64>) -> Result), Result>();
        assert_eq!(
            said,
            "(f64, &str, Vec<i64>) -> Result<Option<String>, ParseIntError>"
        );
        let said = signature_of::<Marker<(u8, fn((f64, [u8; 2]), f64) -> [f64; 2]), u8>, u8>();
        assert_eq!(said, "((f64, [u8; 2]), f64) -> u8");
        assert_eq!(
            signature_of::<fn(f64) -> (f64, bool), (f64, bool)>(),
            "(f64) -> (f64, bool)"
        );
        assert_eq!(
            signature_of::<fn(&'static [u8], fn(u8) -> u8), ()>(),
            "(&[u8], fn(u8) -> u8) -> ()"
        );
        assert_eq!(signature_of::<Vec<String>, bool>(), "Vec<String> -> bool");
    }
}
