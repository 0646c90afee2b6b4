//! Names of rooms.

use std::fmt;

/// Names an app: whose keys, limits and rooms belong together. Rooms of two apps never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(String);

impl AppId {
    /// The app that the keys of the configuration belong to.
    pub const DEFAULT: &str = "default";

    /// The app with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AppId {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_visible(f, &self.0)
    }
}

/// Names a room for all outside: clients, back ends, operators. Two rooms of one name in two apps are two rooms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName {
    /// Whose room it is.
    pub app: AppId,
    /// What clients and tokens call it.
    pub name: String,
}

impl RoomName {
    /// The room called `name` of an app.
    pub fn new(app: AppId, name: impl Into<String>) -> Self {
        Self { app, name: name.into() }
    }

    /// The room called `name` of the [default](AppId::DEFAULT) app.
    pub fn of_default_app(name: impl Into<String>) -> Self {
        Self::new(AppId::default(), name)
    }
}

/// For logs: the app stands before the name unless it is the default one. Control characters are escaped.
impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.app.as_str() != AppId::DEFAULT {
            write!(f, "{}/", self.app)?;
        }
        write_visible(f, &self.name)
    }
}

/// A text of somebody else's on one line.
fn write_visible(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write as _;
    for character in text.chars() {
        if character.is_control() {
            write!(f, "{}", character.escape_default())?;
        } else {
            f.write_char(character)?;
        }
    }
    Ok(())
}

/// Names a room for as long as its node runs; never used twice there. Two nodes may use the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey(pub u32);

impl RoomKey {
    /// One word that names the thing with number `index` in this room, for ids of what belongs to a room.
    pub const fn with_index(self, index: u32) -> u64 {
        (self.0 as u64) << 32 | index as u64
    }

    /// The room of a word that [`with_index`](Self::with_index) made.
    pub const fn of(word: u64) -> Self {
        Self((word >> 32) as u32)
    }

    /// The number of a word that [`with_index`](Self::with_index) made.
    pub const fn index_of(word: u64) -> u32 {
        word as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_two_apps_are_two_rooms() {
        let ours = RoomName::of_default_app("r");
        let theirs = RoomName::new(AppId::new("acme"), "r");
        assert_ne!(ours, theirs);
        assert_eq!(ours.app.as_str(), "default");
        assert_eq!((ours.to_string(), theirs.to_string()), ("r".to_owned(), "acme/r".to_owned()));
    }

    #[test]
    fn a_name_in_a_log_stays_on_its_line() {
        let room = RoomName::of_default_app("a\nERROR b\u{1b}[31m ü\u{9b}");
        assert_eq!(room.to_string(), "a\\nERROR b\\u{1b}[31m ü\\u{9b}");
    }

    #[test]
    fn a_word_names_the_room_and_the_thing_in_it() {
        for (room, index) in [(0, 0), (7, 1), (u32::MAX, 0), (1, u32::MAX)] {
            let word = RoomKey(room).with_index(index);
            assert_eq!((RoomKey::of(word), RoomKey::index_of(word)), (RoomKey(room), index));
        }
        assert_eq!(RoomKey(7).with_index(3), 0x7_0000_0003);
    }
}
