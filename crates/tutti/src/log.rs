//! Structured logs on standard error, and panics in them. Tokens and secrets are nowhere logged: query strings are not,
//! and the types that hold secrets do not show them.

use std::backtrace::Backtrace;
use std::fmt::{self, Debug, Write as _};
use std::io::{self, IsTerminal as _};
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format;

use crate::config::{Log, LogFormat};

/// Begins to log.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn start(log: &Log) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(&log.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        LogFormat::Text => {
            // Names and texts of strangers stand in fields: none of them begins a line or speaks to a terminal.
            let fields = format::debug_fn(|writer, field, value| match field.name() {
                "message" => write!(writer, "{}", OneLine(value)),
                // Of many lines, and our own.
                "backtrace" => write!(writer, "backtrace={value:?}"),
                name => write!(writer, "{name}={}", OneLine(value)),
            });
            builder.with_ansi(io::stderr().is_terminal()).fmt_fields(fields.delimited(" ")).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    // A panic ends one room or one transport, not the server; it must not go unseen.
    panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("no message");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let backtrace = Backtrace::capture();
        tracing::error!(place, thread, %backtrace, "panic: {message}");
    }));
    Ok(())
}

/// A value with its control characters escaped.
struct OneLine<'a>(&'a dyn Debug);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{:?}", self.0)
    }
}

/// Escapes control characters on their way.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (plain, tail) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = tail.chars();
            if let Some(control) = characters.next() {
                write!(self.0, "{}", control.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::OneLine;

    #[test]
    fn values_stay_on_their_line() {
        let raw = format_args!("a\nERROR forged\r\u{1b}[31m\u{9b}\u{7f} ü 手\t.");
        assert_eq!(OneLine(&raw).to_string(), "a\\nERROR forged\\r\\u{1b}[31m\\u{9b}\\u{7f} ü 手\\t.");
        assert_eq!(OneLine(&"a\nb").to_string(), r#""a\nb""#);
        assert_eq!(OneLine(&7).to_string(), "7");
    }
}
