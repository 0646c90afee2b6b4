//! The layer between a JSON reader and a generated one. It passes everything through as it streams and keeps nothing;
//! what the generated reader asks for decides what `null` becomes.

use std::fmt;
use std::iter;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess, SeqAccess, Visitor};

use crate::names::FieldName;

/// How the names of fields are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// To the letter.
    Exact,
    /// Without regard to ASCII case.
    AnyCase,
}

/// A reader that lets through more than the one behind it would take.
pub(crate) struct Lenient<D> {
    inner: D,
    spelling: Spelling,
}

impl<D> Lenient<D> {
    pub(crate) const fn new(inner: D, spelling: Spelling) -> Self {
        Self { inner, spelling }
    }
}

/// What the generated reader asked for.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// A number or an enum, each as number or text.
    Any,
    Bool,
    Number,
    Text,
    Bytes,
    Option,
    Unit,
    List,
    Map,
    /// A message or an object of claims, with the names it knows.
    Message(&'static [&'static str]),
}

/// Forwards to the wrapped reader, and remembers what is asked for.
macro_rules! ask {
    ($($method:ident($($argument:ident: $kind:ty),*) $wanted:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            let spelling = self.spelling;
            self.inner.deserialize_any(Answer { visitor, wanted: $wanted, spelling })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Lenient<D> {
    type Error = D::Error;

    ask! {
        deserialize_any() Wanted::Any;
        deserialize_bool() Wanted::Bool;
        deserialize_i8() Wanted::Number;
        deserialize_i16() Wanted::Number;
        deserialize_i32() Wanted::Number;
        deserialize_i64() Wanted::Number;
        deserialize_u8() Wanted::Number;
        deserialize_u16() Wanted::Number;
        deserialize_u32() Wanted::Number;
        deserialize_u64() Wanted::Number;
        deserialize_f32() Wanted::Number;
        deserialize_f64() Wanted::Number;
        deserialize_char() Wanted::Text;
        deserialize_str() Wanted::Text;
        deserialize_string() Wanted::Text;
        deserialize_identifier() Wanted::Text;
        deserialize_bytes() Wanted::Bytes;
        deserialize_byte_buf() Wanted::Bytes;
        deserialize_unit() Wanted::Unit;
        deserialize_unit_struct(_name: &'static str) Wanted::Unit;
        deserialize_seq() Wanted::List;
        deserialize_tuple(_length: usize) Wanted::List;
        deserialize_tuple_struct(_name: &'static str, _length: usize) Wanted::List;
        deserialize_map() Wanted::Map;
        deserialize_struct(_name: &'static str, fields: &'static [&'static str]) Wanted::Message(fields);
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let spelling = self.spelling;
        self.inner.deserialize_option(Answer { visitor, wanted: Wanted::Option, spelling })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }
}

/// Takes what the JSON holds and hands it on in a form that the generated reader takes.
struct Answer<V> {
    visitor: V,
    wanted: Wanted,
    spelling: Spelling,
}

impl<V> Answer<V> {
    /// What the generated reader says it expects. The readers of enums list their names: there is no other way to learn
    /// whether one is known before it is refused.
    fn expected<'de>(&self) -> String
    where
        V: Visitor<'de>,
    {
        (&self.visitor as &dyn Expected).to_string()
    }
}

/// How generated readers of enums begin to say what they expect.
const ENUM_EXPECTED: &str = "expected one of: [";
/// What the buffer expects in which generated readers of numbers look at text or number.
const BUFFER_EXPECTED: &str = "any value";

impl<'de, V: Visitor<'de>> Visitor<'de> for Answer<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        self.visitor.visit_bool(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        self.visitor.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        self.visitor.visit_u64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        match whole(value) {
            Some(value) => self.visitor.visit_i64(value),
            None => self.visitor.visit_f64(value),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        if !matches!(self.wanted, Wanted::Any) {
            return self.visitor.visit_str(text);
        }
        let expected = self.expected();
        if let Some(names) = expected.strip_prefix(ENUM_EXPECTED) {
            if names.contains(&format!("{text:?}")) {
                return self.visitor.visit_str(text);
            }
            return self.visitor.visit_i64(0);
        }
        match (expected == BUFFER_EXPECTED).then(|| whole_text(text)).flatten() {
            Some(value) => self.visitor.visit_i64(value),
            None => self.visitor.visit_str(text),
        }
    }

    fn visit_string<E: Error>(self, text: String) -> Result<V::Value, E> {
        self.visit_str(&text)
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<V::Value, E> {
        self.visitor.visit_bytes(value)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Lenient::new(inner, self.spelling))
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        let is_number_or_enum = || {
            let expected = self.expected();
            expected == BUFFER_EXPECTED || expected.starts_with(ENUM_EXPECTED)
        };
        match self.wanted {
            Wanted::Any if is_number_or_enum() => self.visitor.visit_i64(0),
            Wanted::Any | Wanted::Unit => self.visitor.visit_unit(),
            Wanted::Bool => self.visitor.visit_bool(false),
            Wanted::Number => self.visitor.visit_i64(0),
            Wanted::Text => self.visitor.visit_str(""),
            Wanted::Bytes => self.visitor.visit_bytes(&[]),
            Wanted::Option => self.visitor.visit_none(),
            Wanted::List => self.visitor.visit_seq(SeqDeserializer::new(iter::empty::<()>())),
            Wanted::Map | Wanted::Message(_) => self.visitor.visit_map(MapDeserializer::new(iter::empty::<((), ())>())),
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Lenient::new(inner, self.spelling))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Elements { inner, spelling: self.spelling })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let fields = match (self.wanted, self.spelling) {
            (Wanted::Message(fields), Spelling::AnyCase) => fields,
            _ => &[],
        };
        self.visitor.visit_map(Members { inner, fields, spelling: self.spelling })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(inner)
    }
}

/// A value inside a list or an object.
struct Inside<S> {
    seed: S,
    spelling: Spelling,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Inside<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Lenient::new(inner, self.spelling))
    }
}

/// The elements of a list.
struct Elements<A> {
    inner: A,
    spelling: Spelling,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Inside { seed, spelling: self.spelling })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// The members of an object.
struct Members<A> {
    inner: A,
    /// Names that are found in any case.
    fields: &'static [&'static str],
    spelling: Spelling,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(FieldName::new(seed, self.fields))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Inside { seed, spelling: self.spelling })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// The whole number that a number with a fraction or an exponent is, if it is one and exact.
fn whole(value: f64) -> Option<i64> {
    /// Up to here every whole number has a double of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    // The cast is exact within those bounds.
    (value.fract() == 0.0 && value.abs() <= EXACT_MAX).then_some(value as i64)
}

/// The same for a text. One that is written plainly is left to the generated reader, which also knows 64 bits.
fn whole_text(text: &str) -> Option<i64> {
    let is_plain = !text.contains(['.', 'e', 'E']);
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if is_plain || !is_number { None } else { whole(text.parse().ok()?) }
}
