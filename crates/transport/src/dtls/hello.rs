//! ClientHello, ServerHello and HelloVerifyRequest (RFC 5246, section 7.4.1; RFC 6347, section 4.2.1) with the extensions
//! of WebRTC. What is not known is skipped, as the RFCs ask.

use std::mem::replace;

use super::failure::DtlsFailure;
use super::keys::RANDOM_LEN;
use super::record::{VERSION_1_0, VERSION_1_2};
use super::suite::{GROUP_P256, GROUPS, OUR_SCHEME, PROFILES, SCHEMES, SUITES, Suite, profile, profile_id, suite};
use super::wire::{Reader, Width, u16, vector};
use crate::srtp::SrtpProfile;

const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const USE_SRTP: u16 = 14;
const EXTENDED_MASTER_SECRET: u16 = 23;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// The only form of points that anybody uses (RFC 8422, section 5.1.2).
const UNCOMPRESSED: u8 = 0;

/// Longest session id, bytes (RFC 5246, section 7.4.1.2).
const SESSION_ID_MAX: usize = 32;

/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746, section 3.3), the extension as a cipher suite.
const RENEGOTIATION_SCSV: u16 = 0x00ff;

/// What we take of a client's offer.
pub(super) struct Chosen {
    pub(super) client_random: [u8; RANDOM_LEN],
    pub(super) suite: &'static Suite,
    pub(super) group: u16,
    /// `None` when the client does not use SRTP.
    pub(super) srtp: Option<SrtpProfile>,
    point_formats: bool,
    renegotiation_info: bool,
}

impl Chosen {
    /// Reads a ClientHello and chooses what we like best of it.
    pub(super) fn read(body: &[u8]) -> Result<Self, DtlsFailure> {
        let mut reader = Reader::new(body);
        let hello = Hello::read_client(&mut reader).ok_or(DtlsFailure::Malformed)?;
        let extensions = Extensions::read(&mut reader).ok_or(DtlsFailure::Malformed)?;
        extensions.check()?;
        // Minor versions count down; the major version is the first byte.
        if !(0xfe00..=VERSION_1_2).contains(&hello.version) {
            return Err(DtlsFailure::Version);
        }
        if !hello.uncompressed {
            return Err(DtlsFailure::Malformed);
        }
        let offered = |id: u16| hello.suites.clone().any(|offered| offered == id);
        // Our certificate is ECDSA. Without a word about groups P-256 may be assumed (RFC 8422, section 4).
        let ours = [0xc02b, 0xc02c].into_iter().find(|id| offered(*id)).and_then(suite);
        let group = match &extensions.groups {
            None => Some(GROUP_P256),
            Some(groups) => GROUPS.iter().map(|(id, _)| *id).find(|id| groups.contains(id)),
        };
        // Without a word about signatures SHA-1 would be meant, which must not be used (RFC 9155, section 4).
        let signs = extensions.schemes.as_ref().is_some_and(|schemes| schemes.contains(&OUR_SCHEME));
        let (Some(suite), Some(group), true, true) = (ours, group, signs, extensions.extended_master_secret) else {
            return Err(DtlsFailure::NothingInCommon);
        };
        let srtp = match &extensions.profiles {
            None => None,
            Some(profiles) => {
                let ours = PROFILES.iter().find(|(id, _)| profiles.contains(id));
                Some(ours.ok_or(DtlsFailure::Profile)?.1)
            }
        };
        Ok(Self {
            client_random: hello.random,
            suite,
            group,
            srtp,
            point_formats: extensions.point_formats,
            renegotiation_info: extensions.renegotiation_info || offered(RENEGOTIATION_SCSV),
        })
    }

    /// Writes the ServerHello. Its session id is empty: nothing can be resumed.
    pub(super) fn write_server_hello(&self, server_random: &[u8; RANDOM_LEN], out: &mut Vec<u8>) {
        u16(out, VERSION_1_2);
        out.extend_from_slice(server_random);
        out.push(0);
        u16(out, self.suite.id);
        out.push(0);
        vector(out, Width::Two, |out| {
            extension(out, EXTENDED_MASTER_SECRET, |_| {});
            if self.renegotiation_info {
                extension(out, RENEGOTIATION_INFO, |out| out.push(0));
            }
            if self.point_formats {
                extension(out, EC_POINT_FORMATS, |out| vector(out, Width::One, |out| out.push(0)));
            }
            if let Some(profile) = self.srtp {
                extension(out, USE_SRTP, |out| write_profiles(out, &[profile_id(profile)]));
            }
        });
    }
}

/// Writes a ClientHello, with the cookie that the server asked for.
pub(super) fn write_client_hello(client_random: &[u8; RANDOM_LEN], cookie: &[u8], out: &mut Vec<u8>) {
    u16(out, VERSION_1_2);
    out.extend_from_slice(client_random);
    out.push(0);
    vector(out, Width::One, |out| out.extend_from_slice(cookie));
    vector(out, Width::Two, |out| SUITES.iter().for_each(|suite| u16(out, suite.id)));
    out.extend_from_slice(&[1, 0]);
    vector(out, Width::Two, |out| {
        extension(out, EXTENDED_MASTER_SECRET, |_| {});
        extension(out, RENEGOTIATION_INFO, |out| out.push(0));
        extension(out, SUPPORTED_GROUPS, |out| {
            vector(out, Width::Two, |out| GROUPS.iter().for_each(|(id, _)| u16(out, *id)));
        });
        extension(out, EC_POINT_FORMATS, |out| vector(out, Width::One, |out| out.push(0)));
        extension(out, SIGNATURE_ALGORITHMS, |out| {
            vector(out, Width::Two, |out| SCHEMES.iter().for_each(|scheme| u16(out, *scheme)));
        });
        extension(out, USE_SRTP, |out| write_profiles(out, &PROFILES.map(|(id, _)| id)));
    });
}

/// What a server chose of our offer.
pub(super) struct Answer {
    pub(super) server_random: [u8; RANDOM_LEN],
    pub(super) suite: &'static Suite,
    pub(super) srtp: Option<SrtpProfile>,
}

impl Answer {
    /// Reads a ServerHello.
    pub(super) fn read(body: &[u8]) -> Result<Self, DtlsFailure> {
        let mut reader = Reader::new(body);
        let read = |reader: &mut Reader<'_>| {
            let version = reader.u16()?;
            let random = reader.array()?;
            session_id(reader)?;
            Some((version, random, reader.u16()?, reader.u8()?))
        };
        let (version, server_random, id, compression) = read(&mut reader).ok_or(DtlsFailure::Malformed)?;
        let extensions = Extensions::read(&mut reader).ok_or(DtlsFailure::Malformed)?;
        if version != VERSION_1_2 {
            return Err(DtlsFailure::Version);
        }
        extensions.check()?;
        // What was not offered must not be answered (RFC 5246, section 7.4.1.4), nor a key identifier (RFC 5764, 4.1.3).
        if extensions.unknown || extensions.key_identifier {
            return Err(DtlsFailure::Unasked);
        }
        let (Some(suite), true) = (suite(id), extensions.extended_master_secret) else {
            return Err(DtlsFailure::NothingInCommon);
        };
        let srtp = match extensions.profiles.as_deref() {
            None => None,
            Some([id]) => Some(profile(*id).ok_or(DtlsFailure::Profile)?),
            Some(_) => return Err(DtlsFailure::Profile),
        };
        if compression != 0 {
            return Err(DtlsFailure::Malformed);
        }
        Ok(Self { server_random, suite, srtp })
    }
}

/// The cookie in a HelloVerifyRequest. Its version says nothing (RFC 6347, section 4.2.1).
pub(super) fn read_cookie(body: &[u8]) -> Result<&[u8], DtlsFailure> {
    let mut reader = Reader::new(body);
    let version = reader.u16();
    match (version, reader.vector8()) {
        (Some(VERSION_1_0 | VERSION_1_2), Some(cookie)) => Ok(cookie.rest()),
        _ => Err(DtlsFailure::Malformed),
    }
}

/// The fixed part of a ClientHello.
struct Hello<S> {
    version: u16,
    random: [u8; RANDOM_LEN],
    suites: S,
    uncompressed: bool,
}

impl Hello<()> {
    fn read_client<'a>(reader: &mut Reader<'a>) -> Option<Hello<impl Iterator<Item = u16> + Clone + use<'a>>> {
        let version = reader.u16()?;
        let random = reader.array()?;
        // Session id and cookie: we resume nothing and asked for no cookie.
        session_id(reader)?;
        reader.vector8()?;
        let suites = reader.vector16()?.u16_list()?;
        let uncompressed = reader.vector8()?.rest().contains(&0);
        Some(Hello { version, random, suites, uncompressed })
    }
}

/// Skips a session id.
fn session_id(reader: &mut Reader<'_>) -> Option<()> {
    (reader.vector8()?.rest().len() <= SESSION_ID_MAX).then_some(())
}

/// What the extensions of either hello say.
#[derive(Default)]
struct Extensions {
    groups: Option<Vec<u16>>,
    schemes: Option<Vec<u16>>,
    profiles: Option<Vec<u16>>,
    extended_master_secret: bool,
    point_formats: bool,
    renegotiation_info: bool,
    /// The profiles come with an identifier of their keys.
    key_identifier: bool,
    /// Points would have to be compressed.
    compressed: bool,
    /// The renegotiation of an association that there is not.
    renegotiates: bool,
    /// There are others.
    unknown: bool,
}

impl Extensions {
    /// Reads what is left of a hello; there may be nothing.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut extensions = Self::default();
        if reader.is_empty() {
            return Some(extensions);
        }
        let mut list = reader.vector16()?;
        while !list.is_empty() {
            let kind = list.u16()?;
            let mut contents = list.vector16()?;
            let mut numbers = || Some(contents.vector16()?.u16_list()?.collect());
            // None of them may come twice (RFC 5246, section 7.4.1.4).
            let again = match kind {
                SUPPORTED_GROUPS => extensions.groups.replace(numbers()?).is_some(),
                SIGNATURE_ALGORITHMS => extensions.schemes.replace(numbers()?).is_some(),
                USE_SRTP => {
                    let again = extensions.profiles.replace(numbers()?).is_some();
                    extensions.key_identifier = !contents.vector8()?.is_empty();
                    again
                }
                EXTENDED_MASTER_SECRET => replace(&mut extensions.extended_master_secret, true),
                EC_POINT_FORMATS => {
                    extensions.compressed = !contents.vector8()?.rest().contains(&UNCOMPRESSED);
                    replace(&mut extensions.point_formats, true)
                }
                RENEGOTIATION_INFO => {
                    extensions.renegotiates = !contents.vector8()?.is_empty();
                    replace(&mut extensions.renegotiation_info, true)
                }
                _ => {
                    extensions.unknown = true;
                    continue;
                }
            };
            if again || !contents.is_empty() {
                return None;
            }
        }
        reader.is_empty().then_some(extensions)
    }

    /// Points must be allowed as they are (RFC 8422, section 5.1.2), and this is a first handshake (RFC 5746, sections 3.4
    /// and 3.6).
    fn check(&self) -> Result<(), DtlsFailure> {
        if self.compressed || self.renegotiates { Err(DtlsFailure::NothingInCommon) } else { Ok(()) }
    }
}

fn extension(out: &mut Vec<u8>, kind: u16, contents: impl FnOnce(&mut Vec<u8>)) {
    u16(out, kind);
    vector(out, Width::Two, contents);
}

/// SRTP profiles and an empty key identifier.
fn write_profiles(out: &mut Vec<u8>, ids: &[u16]) {
    vector(out, Width::Two, |out| ids.iter().for_each(|id| u16(out, *id)));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind and contents of an extension.
    type Extension<'a> = (u16, &'a [u8]);

    /// A ClientHello of these suites and extensions.
    fn hello(suites: &[u16], extensions: &[Extension<'_>]) -> Vec<u8> {
        let mut out = vec![0xfe, 0xfd];
        out.extend([5; RANDOM_LEN]);
        out.extend([0, 0]);
        vector(&mut out, Width::Two, |out| suites.iter().for_each(|suite| u16(out, *suite)));
        out.extend([1, 0]);
        vector(&mut out, Width::Two, |out| {
            for (kind, contents) in extensions {
                extension(out, *kind, |out| out.extend_from_slice(contents));
            }
        });
        out
    }

    const SECRET: Extension<'_> = (EXTENDED_MASTER_SECRET, &[]);
    const SIGNS: Extension<'_> = (SIGNATURE_ALGORITHMS, &[0, 4, 4, 1, 4, 3]);
    const PROFILE: Extension<'_> = (USE_SRTP, &[0, 2, 0, 7, 0]);

    /// A ServerHello with these extensions.
    fn server_hello(extensions: &[Extension<'_>]) -> Vec<u8> {
        let mut out = vec![0xfe, 0xfd];
        out.extend([6; RANDOM_LEN]);
        out.extend([0, 0xc0, 0x2b, 0]);
        vector(&mut out, Width::Two, |out| {
            for (kind, contents) in extensions {
                extension(out, *kind, |out| out.extend_from_slice(contents));
            }
        });
        out
    }

    #[test]
    fn our_own_offer_is_taken_at_its_best() {
        let mut body = Vec::new();
        write_client_hello(&[3; RANDOM_LEN], &[1, 2, 3], &mut body);
        let chosen = Chosen::read(&body).unwrap();
        assert_eq!((chosen.client_random, chosen.suite.id, chosen.group), ([3; RANDOM_LEN], 0xc02b, 29));
        assert_eq!(chosen.srtp, Some(SrtpProfile::AeadAes128Gcm));
        let mut answer = Vec::new();
        chosen.write_server_hello(&[4; RANDOM_LEN], &mut answer);
        let answer = Answer::read(&answer).unwrap();
        assert_eq!((answer.server_random, answer.suite.id, answer.srtp), ([4; RANDOM_LEN], 0xc02b, chosen.srtp));
    }

    #[test]
    fn the_choice_is_ours_and_by_preference() {
        let profiles: Extension<'_> = (USE_SRTP, &[0, 6, 0, 1, 0, 8, 0, 7, 0]);
        let groups: Extension<'_> = (SUPPORTED_GROUPS, &[0, 6, 0, 25, 0, 23, 0x6a, 0x6a]);
        let chosen = Chosen::read(&hello(&[0xc030, 0xc02c, 0xc02b], &[SECRET, SIGNS, profiles, groups])).unwrap();
        assert_eq!((chosen.suite.id, chosen.group), (0xc02b, 23));
        assert_eq!(chosen.srtp, Some(SrtpProfile::AeadAes128Gcm));
        let chosen = Chosen::read(&hello(&[0xc02c], &[SECRET, SIGNS])).unwrap();
        assert_eq!((chosen.suite.id, chosen.group, chosen.srtp), (0xc02c, GROUP_P256, None));
    }

    #[test]
    fn offers_that_cannot_be_taken_are_named() {
        let cases = [
            (hello(&[0xc02f], &[SECRET, SIGNS]), DtlsFailure::NothingInCommon),
            (hello(&[0xc02b], &[SIGNS]), DtlsFailure::NothingInCommon),
            (hello(&[0xc02b], &[SECRET]), DtlsFailure::NothingInCommon),
            (hello(&[0xc02b], &[SECRET, SIGNS, (SUPPORTED_GROUPS, &[0, 2, 0, 30])]), DtlsFailure::NothingInCommon),
            (hello(&[0xc02b], &[SECRET, SIGNS, (EC_POINT_FORMATS, &[1, 1])]), DtlsFailure::NothingInCommon),
            (hello(&[0xc02b], &[SECRET, SIGNS, (RENEGOTIATION_INFO, &[1, 7])]), DtlsFailure::NothingInCommon),
            (hello(&[0xc02b], &[SECRET, (SIGNATURE_ALGORITHMS, &[0, 2, 4, 1])]), DtlsFailure::NothingInCommon),
            (hello(&[0xc02b], &[SECRET, SIGNS, (USE_SRTP, &[0, 2, 0, 2, 0])]), DtlsFailure::Profile),
            (hello(&[0xc02b], &[SECRET, SIGNS, (USE_SRTP, &[0, 3, 0, 2, 0])]), DtlsFailure::Malformed),
            (hello(&[0xc02b], &[SECRET, SIGNS, (USE_SRTP, &[0, 2, 0, 7])]), DtlsFailure::Malformed),
            (hello(&[0xc02b], &[SECRET, SIGNS, SECRET]), DtlsFailure::Malformed),
            (hello(&[0xc02b], &[SECRET, SIGNS, SIGNS]), DtlsFailure::Malformed),
            (hello(&[0xc02b], &[(EXTENDED_MASTER_SECRET, &[0]), SIGNS]), DtlsFailure::Malformed),
            ([&[0xfe, 0xff], &hello(&[0xc02b], &[SECRET, SIGNS])[2..]].concat(), DtlsFailure::Version),
            ([hello(&[0xc02b], &[SECRET, SIGNS]), vec![0]].concat(), DtlsFailure::Malformed),
        ];
        for (body, failure) in cases {
            assert_eq!(Chosen::read(&body).err(), Some(failure), "{body:?}");
        }
        let whole = hello(&[0xc02b], &[SECRET, SIGNS]);
        let without_extensions = whole.len() - 16;
        for len in 0..whole.len() {
            let expected =
                if len == without_extensions { DtlsFailure::NothingInCommon } else { DtlsFailure::Malformed };
            assert_eq!(Chosen::read(&whole[..len]).err(), Some(expected), "{len} bytes");
        }
    }

    #[test]
    fn a_session_id_has_its_length() {
        let mut body = hello(&[0xc02b], &[SECRET, SIGNS]);
        body.splice(34..35, std::iter::once(32).chain([9; 32]));
        assert!(Chosen::read(&body).is_ok());
        body[34] = 33;
        body.insert(35, 9);
        assert_eq!(Chosen::read(&body).err(), Some(DtlsFailure::Malformed));
    }

    #[test]
    fn answers_are_to_what_was_asked() {
        assert!(Answer::read(&server_hello(&[SECRET, PROFILE, (RENEGOTIATION_INFO, &[0])])).is_ok());
        let cases: [(&[Extension<'_>], DtlsFailure); 8] = [
            (&[PROFILE], DtlsFailure::NothingInCommon),
            (&[SECRET, (RENEGOTIATION_INFO, &[2, 1, 2])], DtlsFailure::NothingInCommon),
            (&[SECRET, (EC_POINT_FORMATS, &[2, 1, 2])], DtlsFailure::NothingInCommon),
            (&[SECRET, (USE_SRTP, &[0, 2, 0, 7, 1, 5])], DtlsFailure::Unasked),
            (&[SECRET, (35, &[])], DtlsFailure::Unasked),
            (&[SECRET, (USE_SRTP, &[0, 2, 0, 2, 0])], DtlsFailure::Profile),
            (&[SECRET, (USE_SRTP, &[0, 4, 0, 7, 0, 1, 0])], DtlsFailure::Profile),
            (&[SECRET, PROFILE, PROFILE], DtlsFailure::Malformed),
        ];
        for (extensions, failure) in cases {
            assert_eq!(Answer::read(&server_hello(extensions)).err(), Some(failure), "{extensions:?}");
        }
    }
}
