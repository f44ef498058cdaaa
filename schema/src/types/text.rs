//! ENUM and SET.

use super::{ValueError, integer};
use crate::value::{Kind, Schema};

/// The schema of ENUM and SET: their members are a parameter, commas within them escaped.
pub(super) fn member_schema(name: &str, members: &[String]) -> Schema {
    let escaped: Vec<_> = members.iter().map(|member| member.replace(',', "\\,")).collect();
    Schema::semantic(Kind::String, name).parameter("allowed", escaped.join(","))
}

/// The member of an ENUM: one or two bytes, counted from 1; 0 is the empty string that stands for
/// an invalid value.
pub(super) fn enum_member<'a>(bytes: &[u8], members: &'a [String]) -> Result<&'a str, ValueError> {
    if bytes.len() > 2 {
        return Err(ValueError::Length);
    }
    match usize::try_from(integer::read_u64(bytes)?).map_err(|_| ValueError::Member)? {
        0 => Ok(""),
        number => members.get(number - 1).map(String::as_str).ok_or(ValueError::Member),
    }
}

/// The members of a SET, one bit each, joined by commas.
pub(super) fn set_members(bytes: &[u8], members: &[String]) -> Result<String, ValueError> {
    let bits = integer::read_u64(bytes)?;
    let known = u32::try_from(members.len()).map_err(|_| ValueError::Member)?;
    if known < 64 && bits >> known != 0 {
        return Err(ValueError::Member);
    }
    let chosen = members.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
    Ok(chosen.map(|(_, member)| member.as_str()).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_as_mysql_counts_them() {
        let members: Vec<String> = ["x", "y", "z"].map(str::to_owned).into();

        assert_eq!(enum_member(&[0], &members), Ok(""));
        assert_eq!(enum_member(&[3], &members), Ok("z"));
        assert_eq!(enum_member(&[4], &members), Err(ValueError::Member));
        assert_eq!(enum_member(&[3, 0, 0], &members), Err(ValueError::Length));
        assert_eq!(set_members(&[0b101], &members).as_deref(), Ok("x,z"));
        assert_eq!(set_members(&[0b1000], &members), Err(ValueError::Member));
    }
}
