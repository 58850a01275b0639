//! A file out of a form: what a browser sends of one, and nothing else of it.
//!
//! ```text
//! Content-Type: multipart/form-data; boundary=B        --B ⏎ headers ⏎⏎ bytes ⏎ --B ⏎ … --B--   ──▶ name, bytes
//! ```

/// A file that somebody sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upload<'a> {
    /// What they call it.
    pub name: String,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// The first file of a form (RFC 7578); why there is none, in words.
pub(super) fn upload<'a>(content_type: &str, body: &'a [u8]) -> Result<Upload<'a>, &'static str> {
    let boundary = content_type
        .strip_prefix("multipart/form-data")
        .and_then(|rest| rest.split(';').find_map(|part| part.trim().strip_prefix("boundary=")))
        .map(|boundary| boundary.trim_matches('"'))
        .filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
        .ok_or("the form brings no file: expected multipart/form-data with a boundary")?;
    let mark = format!("--{boundary}");
    // What is before the first mark is nobody's.
    let mut rest = body.get(find(body, mark.as_bytes()).ok_or("the form has no parts")? + mark.len()..).unwrap_or(&[]);
    let between = format!("\r\n{mark}");
    while !rest.starts_with(b"--") {
        let end = find(rest, between.as_bytes()).ok_or("the form ends within a part: send it again")?;
        let part = &rest[..end];
        rest = &rest[end + between.len()..];
        let Some(head) = find(part, b"\r\n\r\n") else { continue };
        let (head, bytes) = (String::from_utf8_lossy(&part[..head]), &part[head + 4..]);
        if let Some(name) = file_name(&head).filter(|name| !name.is_empty()) {
            return Ok(Upload { name, bytes });
        }
    }
    Err("no file was chosen")
}

/// The name of the file in the head of a part; browsers write `"` within it as `%22` (WHATWG, HTML).
fn file_name(head: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = line.split("filename=\"").nth(1)?.split('"').next()?;
    let name = name.replace("%22", "\"").replace("%0D", "").replace("%0A", "");
    // Some send the way to it, too.
    Some(name.rsplit(['/', '\\']).next().unwrap_or_default().chars().take(200).collect())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=----x";

    fn form(name: &str, bytes: &[u8]) -> Vec<u8> {
        let head = "------x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhello\r\n------x\r\n";
        let file =
            format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: x/y\r\n\r\n");
        [head.as_bytes(), file.as_bytes(), bytes, b"\r\n------x--\r\n"].concat()
    }

    #[test]
    fn a_file_comes_out_of_a_form_as_it_went_in() {
        for bytes in [&b""[..], b"%PDF-1.7", b"\r\n\r\n--\r\n-----x\0\xff"] {
            let body = form("contract.pdf", bytes);
            assert_eq!(upload(TYPE, &body), Ok(Upload { name: "contract.pdf".to_owned(), bytes }));
        }
        let body = form("C:\\songs\\a %22b%22.zip", b"PK");
        assert_eq!(upload(TYPE, &body).map(|upload| upload.name), Ok("a \"b\".zip".to_owned()));
    }

    #[test]
    fn what_is_no_form_with_a_file_is_refused_wherever_it_ends() {
        let body = form("a.pdf", b"%PDF-1.7");
        for end in 0..body.len() - 16 {
            assert!(upload(TYPE, &body[..end]).is_err(), "{end}");
        }
        for (content_type, body) in [("text/plain", &body[..]), ("multipart/form-data", &body), (TYPE, &form("", b"x"))]
        {
            assert!(upload(content_type, body).is_err(), "{content_type}");
        }
    }
}
