//! Fields of claims found in any case: a name that differs from a known one in case only is handed on as the known one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

/// The name of a member on its way to the generated reader. With no known names it passes as it is.
pub(crate) struct FieldName<T> {
    inner: T,
    known: &'static [&'static str],
}

impl<T> FieldName<T> {
    pub(crate) const fn new(inner: T, known: &'static [&'static str]) -> Self {
        Self { inner, known }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for FieldName<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        if self.known.is_empty() {
            return self.inner.deserialize(inner);
        }
        self.inner.deserialize(FieldName::new(inner, self.known))
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for FieldName<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(FieldName::new(visitor, self.known))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for FieldName<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        let known = self.known.iter().find(|known| known.eq_ignore_ascii_case(name));
        self.inner.visit_str(known.copied().unwrap_or(name))
    }
}
