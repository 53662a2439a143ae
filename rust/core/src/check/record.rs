//! The fields of a record: whether they are there, of the right kind, and agree.

use super::{Fault, Item, Severity};
use crate::error::{Error, Result};
use crate::keyframe_name::KeyframeName;
use crate::record::{Number, Reader, Record, Scalar};
use crate::store::Spelling;

/// Of a list: where it stands, and where its items do, with those that are not null.
struct List {
    offset: usize,
    items: Vec<(usize, Option<String>)>,
}

/// Tells what is wrong with a record, and gives the images that it names.
pub(super) fn check(record: &Record, tell: &mut impl FnMut(Fault)) -> Vec<Item> {
    if let Err(error) = record.check() {
        tell(of_error(error, "record"));
        return Vec::new();
    }
    let mut lists = ["images", "texts", "text_ocr_list"].map(|name| {
        let list = list(record, name);
        list.unwrap_or_else(|error| {
            tell(of_error(error, "field"));
            None
        })
    });
    check_shape(record, &lists, tell);
    check_counts(record, lists[0].as_ref(), tell);
    let images = lists[0].take().map(|list| list.items).unwrap_or_default();
    let images = images.into_iter().enumerate();
    let named = images.filter_map(|(number, (offset, path))| {
        let path = path?;
        Some(Item { number, offset, path })
    });
    named.inspect(|item| check_name(item, tell)).collect()
}

fn of_error(error: Error, kind: &'static str) -> Fault {
    let (offset, reason) = match error {
        Error::Record { offset, reason } => (offset, reason),
        other => (0, other.to_string()),
    };
    Fault { severity: Severity::Error, kind, offset, item: None, reason }
}

/// A list of strings and nulls; `None` where the field is missing or null.
fn list(record: &Record, name: &str) -> Result<Option<List>> {
    let Some(mut reader) = record.field(name)? else { return Ok(None) };
    let offset = reader.offset();
    if reader.peek() == Some(b'n') {
        reader.simple()?;
        return Ok(None);
    }
    let expected = format!("'{name}': expected a list");
    let mut items = Vec::new();
    reader.each_item(&expected, |_, reader| {
        let offset = reader.offset();
        let text = reader.nullable_text()?;
        let text = text.map(|text| text.bytes()).transpose()?;
        items.push((offset, text.map(|text| String::from_utf8_lossy(&text).into_owned())));
        Ok(())
    })?;
    Ok(Some(List { offset, items }))
}

/// One length, and at each position an image or a text.
fn check_shape(record: &Record, lists: &[Option<List>; 3], tell: &mut impl FnMut(Fault)) {
    let error = |kind, offset, item, reason| Fault {
        severity: Severity::Error,
        kind,
        offset,
        item,
        reason,
    };
    let [images, texts, ocr] = lists;
    for (name, list) in [("images", images), ("texts", texts)] {
        if list.is_none() && !record.has(name).unwrap_or(true) {
            tell(error("no_field", 0, None, format!("there is no '{name}'")));
        }
    }
    let Some(images) = images else { return };
    for (name, other) in [("texts", texts), ("text_ocr_list", ocr)] {
        let Some(other) = other else { continue };
        let (count, expected) = (other.items.len(), images.items.len());
        if count != expected {
            let reason = format!("'{name}' has {count} entries and 'images' has {expected}");
            tell(error("length", other.offset, None, reason));
        }
    }
    let Some(texts) = texts else { return };
    for (number, (image, text)) in images.items.iter().zip(&texts.items).enumerate() {
        let fault = match (&image.1, &text.1) {
            (Some(_), Some(_)) => ("both", "there are an image and a text at this position"),
            (None, None) => ("neither", "there is neither an image nor a text at this position"),
            _ => continue,
        };
        tell(error(fault.0, image.0, Some(number), fault.1.to_owned()));
    }
}

/// `image_num` counts the images; `token_num` is `text_num` and 576 an image, as the
/// dataset's card has it, which another encoder need not.
fn check_counts(record: &Record, images: Option<&List>, tell: &mut impl FnMut(Fault)) {
    let mut number = |name| {
        number(record, name).unwrap_or_else(|error| {
            tell(of_error(error, "field"));
            None
        })
    };
    let (stated, text, token) = (number("image_num"), number("text_num"), number("token_num"));
    let Some(images) = images else { return };
    let count = images.items.iter().filter(|item| item.1.is_some()).count();
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    if let Some((offset, stated)) = stated.filter(|(_, stated)| *stated != count) {
        let reason = format!("'image_num' is {stated}, and there are {count} images");
        tell(Fault { severity: Severity::Error, kind: "image_num", offset, item: None, reason });
    }
    let (Some((_, text)), Some((offset, token))) = (text, token) else { return };
    let expected = count.saturating_mul(576).saturating_add(text);
    if token != expected {
        let reason = format!(
            "'token_num' is {token}; 'text_num' and 576 for each of {count} images make {expected}"
        );
        tell(Fault { severity: Severity::Notice, kind: "token_num", offset, item: None, reason });
    }
}

fn number(record: &Record, name: &str) -> Result<Option<(usize, i64)>> {
    let Some(mut reader) = record.field(name)? else { return Ok(None) };
    let before: Reader<'_> = reader.clone();
    match reader.simple() {
        Ok(Scalar::Number(Number::Int(value))) => Ok(Some((before.offset(), value))),
        Ok(Scalar::Null) => Ok(None),
        _ => Err(before.error(&format!("'{name}': expected an integer"))),
    }
}

fn check_name(item: &Item, tell: &mut impl FnMut(Fault)) {
    // A path that no store takes is told of when it is looked for.
    if Spelling::parse(&item.path).is_ok() && KeyframeName::vid_of(&item.path).is_none() {
        let reason = format!("{:?} is no keyframe's name (<vid>@<start>_<end>#<n>.jpg)", item.path);
        let (offset, number) = (item.offset, Some(item.number));
        let severity = Severity::Notice;
        tell(Fault { severity, kind: "name", offset, item: number, reason });
    }
}
