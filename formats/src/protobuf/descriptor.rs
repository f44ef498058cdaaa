//! The text of a schema as descriptors.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{FileDescriptor, MessageDescriptor};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::known::FILES;
use crate::DEPTH_MAX;
use crate::error::FormatError;

/// The name that a schema's own text has; those of imports end in `.proto` by custom.
const ROOT: &str = "rowcast.schema";

/// Longest text of a schema with what it imports: our choice, far more than people write.
const TEXT_MAX_BYTES: usize = 4 << 20;

/// Compiles a schema. `imports` are the texts of its references by the names that it imports them by.
pub(super) fn compile(
    text: &str,
    imports: &[(String, Arc<str>)],
) -> Result<FileDescriptor, FormatError> {
    let all = imports.iter().map(|(_, text)| &**text).chain([text]);
    let bytes: usize = all.clone().map(str::len).sum();
    if bytes > TEXT_MAX_BYTES {
        return Err(FormatError::schema("is longer than 4 MiB"));
    }
    if all.into_iter().any(|text| depth(text) > DEPTH_MAX) {
        return Err(FormatError::schema("nests deeper than 64 levels"));
    }
    let mut files: Vec<(String, Arc<str>)> = vec![(ROOT.to_owned(), text.into())];
    files.extend(imports.iter().cloned());
    let known = FILES.iter().filter(|(name, _)| files.iter().all(|(given, _)| given != name));
    let known: Vec<_> = known.map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    files.extend(known);
    let mut resolver = ChainFileResolver::new();
    // What the registry has wins over what is known, but for Google's own: custom options need it.
    resolver.add(GoogleFileResolver::new());
    resolver.add(Texts(files));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    let not_compiled =
        |error: protox::Error| FormatError::schema(format!("is no Protobuf schema: {error}"));
    compiler.include_imports(true).open_file(ROOT).map_err(not_compiled)?;
    let pool = compiler.descriptor_pool();
    let file = pool.get_file_by_name(ROOT);
    file.ok_or_else(|| FormatError::schema("is no Protobuf schema"))
}

/// The message that a path leads to, from the file on. Entries of maps are not counted, as Java has
/// it.
pub(super) fn message(
    file: &FileDescriptor,
    path: &[usize],
) -> Result<MessageDescriptor, FormatError> {
    let unknown = || FormatError::record("names a message that its schema does not have");
    let (first, rest) = path.split_first().ok_or_else(unknown)?;
    let mut found = file.messages().nth(*first).ok_or_else(unknown)?;
    for index in rest {
        let mut inner = found.child_messages().filter(|message| !message.is_map_entry());
        let next = inner.nth(*index);
        drop(inner);
        found = next.ok_or_else(unknown)?;
    }
    Ok(found)
}

/// How deep braces and brackets nest, those in comments and texts too: more than enough to tell what
/// nobody has written by hand.
fn depth(text: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'(' | b'<' => depth += 1,
            b'}' | b']' | b')' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// A schema that is a descriptor in base 64, as the clients for Python and Go register them and some
/// registries keep them.
fn described(name: &str, text: &str) -> Option<File> {
    let descriptor = STANDARD.decode(text.trim()).ok()?;
    let mut file = FileDescriptorProto::decode(&*descriptor).ok()?;
    file.name = Some(name.to_owned());
    Some(File::from_file_descriptor_proto(file))
}

/// Files by their names.
struct Texts(Vec<(String, Arc<str>)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, text)) => match described(name, text) {
                Some(file) => Ok(file),
                None => File::from_source(name, text),
            },
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}
