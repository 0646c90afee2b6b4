//! Query strings, read as leniently as clients write them (docs/protocol.md#join-parameters): some do not
//! percent-encode at all.

use percent_encoding::percent_decode_str;

/// Parameters that are read: clients send thirty at most, and a request line holds tens of thousands of empty ones.
const PARAMETERS_MAX: usize = 100;

/// The parameters of a request, decoded. Never shown: a token may be among them.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query string. There is no wrong one: what is not a valid escape stands for itself, a name without
    /// a value has an empty one.
    pub(crate) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// The first value of this name; empty if there is none. An empty value counts as none wherever one is read.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A yes or no: `1` and `true` are yes, any other value is no, none is `None`.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            "" => None,
            value => Some(value == "1" || value == "true"),
        }
    }

    /// A number; 0 if there is none or it is none.
    pub(crate) fn number(&self, name: &str) -> i32 {
        self.get(name).parse().unwrap_or(0)
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn only_so_many_are_read() {
        let many = "a&".repeat(super::PARAMETERS_MAX - 1);
        assert_eq!(Query::parse(&format!("{many}b=1&c=2")).get("b"), "1");
        assert_eq!(Query::parse(&format!("{many}b=1&c=2")).get("c"), "");
    }

    #[test]
    fn values() {
        let cases = [
            ("a=1&b=2", "a", "1"),
            ("a=1&b=2", "b", "2"),
            ("a=1&a=2", "a", "1"),
            ("", "a", ""),
            ("a", "a", ""),
            ("a=", "a", ""),
            ("&&a=1&", "a", "1"),
            ("=x&a=1", "a", "1"),
            ("a=b=c==", "a", "b=c=="),
            ("a=b%3D%3d", "a", "b=="),
            ("a=Pixel+7%20Pro", "a", "Pixel 7 Pro"),
            // Not encoded, or encoded wrongly.
            ("a=100%", "a", "100%"),
            ("a=%zz%4", "a", "%zz%4"),
            ("a=%ff", "a", "\u{fffd}"),
            ("a=(x; y) \"z\"", "a", "(x; y) \"z\""),
            ("a=手机", "a", "手机"),
            ("%61=1", "a", "1"),
        ];
        for (raw, name, value) in cases {
            assert_eq!(Query::parse(raw).get(name), value, "{raw}");
        }
    }

    #[test]
    fn flags_and_numbers() {
        let query = Query::parse("one=1&yes=true&no=0&not=false&odd=TRUE&none=&n=16&neg=-3&big=99999999999&word=x");
        let flags = [("one", Some(true)), ("yes", Some(true)), ("no", Some(false)), ("not", Some(false))];
        let more = [("odd", Some(false)), ("none", None), ("absent", None)];
        for (name, value) in flags.into_iter().chain(more) {
            assert_eq!(query.flag(name), value, "{name}");
        }
        for (name, value) in [("n", 16), ("neg", -3), ("big", 0), ("word", 0), ("absent", 0)] {
            assert_eq!(query.number(name), value, "{name}");
        }
    }
}
