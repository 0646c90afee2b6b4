//! Embeds the built demo (`web/demo/dist`) into the crate: each file as it is and, where that is smaller, gzipped.
//! Where the demo is not built yet, a page that says so takes its place: the build never depends on Node.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let demo = here.join("../../web/demo");
    let dist = demo.join("dist");
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", dist.display());
        collect(&dist, "", &mut files)?;
    } else {
        // The folder, not the missing one below it: a path that does not exist would force a rebuild each time.
        println!("cargo::rerun-if-changed={}", demo.display());
        println!("cargo::rerun-if-changed={}", here.join("unbuilt.html").display());
        files.push(("index.html".to_owned(), here.join("unbuilt.html")));
    }
    println!("cargo::rerun-if-changed=build.rs");
    files.sort();

    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for (number, (path, file)) in files.iter().enumerate() {
        let content = fs::read(file)?;
        let copy = out.join(format!("asset-{number}"));
        fs::write(&copy, &content)?;
        let packed = gzip(&content)?;
        let gzip = if packed.len() * 10 < content.len() * 9 {
            let copy = out.join(format!("asset-{number}.gz"));
            fs::write(&copy, packed)?;
            format!("Some(include_bytes!({copy:?}))")
        } else {
            "None".to_owned()
        };
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        table += &format!(
            "    Asset {{ path: {path:?}, content_type: {:?}, etag: \"\\\"{:016x}\\\"\", content: include_bytes!({copy:?}), gzip: {gzip} }},\n",
            content_type(path),
            hasher.finish(),
        );
    }
    fs::write(out.join("assets.rs"), table + "];\n")
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(content)?;
    encoder.finish()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
