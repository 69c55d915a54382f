//! Lists of processors and memory nodes: `0-3,7`.

/// The highest number that is taken, as in runc: no kernel comes near.
const LARGEST: usize = 64 * 1024;
const WORD: usize = 8;

/// One bit for each listed number, the lowest first, in whole words of 64 bits (the
/// architectures are little-endian). No byte for an empty list, which is an unset one. Spaces and
/// empty elements are passed over, as runc does.
pub(crate) fn bit_mask(list: &str) -> Result<Vec<u8>, String> {
    let mut mask = Vec::new();
    for element in list.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        let (first, last) = element.split_once('-').unwrap_or((element, element));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("invalid range: {element}"));
        }
        if mask.len() * 8 <= last {
            mask.resize((last / 8 + 1).next_multiple_of(WORD), 0u8);
        }
        for n in first..=last {
            mask.get_mut(n / 8).into_iter().for_each(|byte| *byte |= 1 << (n % 8));
        }
    }
    if mask.is_empty() && !list.is_empty() {
        return Err(format!("no members found in set {list:?}"));
    }
    Ok(mask)
}

fn number(digits: &str) -> Result<usize, String> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(n) if plain && n <= LARGEST => Ok(n),
        Ok(_) if plain => Err(format!("numbers larger than {LARGEST} are not supported")),
        _ => Err(format!("{digits:?} is not a number")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn members(mask: &[u8]) -> BTreeSet<usize> {
        (0..mask.len() * 8).filter(|n| mask[n / 8] >> (n % 8) & 1 == 1).collect()
    }

    #[test]
    fn lists_and_ranges() {
        assert_eq!(bit_mask(""), Ok(vec![]));
        assert_eq!(bit_mask("0"), Ok(vec![1, 0, 0, 0, 0, 0, 0, 0]));
        let read = |list| members(&bit_mask(list).unwrap());
        assert_eq!(read("0-3,7"), [0, 1, 2, 3, 7].into());
        assert_eq!(read(" 5 ,,5-5, 64"), [5, 64].into());
        assert_eq!(read("65536"), [65536].into());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for list in
            [",", " ", "a", "1-", "-1", "3-1", "1-2-3", "+1", "0x1", "65537", "0-4294967296"]
        {
            assert!(bit_mask(list).is_err(), "{list:?}");
        }
        assert!(bit_mask("99999999999999999999999").is_err());
    }

    proptest! {
        #[test]
        fn every_member_has_its_bit(ranges in prop::collection::vec((0usize..2000, 0usize..70), 1..6)) {
            let text = ranges.iter().map(|(from, more)| format!("{from}-{}", from + more));
            let mask = bit_mask(&text.collect::<Vec<_>>().join(",")).unwrap();
            let expected: BTreeSet<_> = ranges.iter().flat_map(|(from, more)| *from..=from + more).collect();
            prop_assert_eq!(members(&mask), expected);
            prop_assert_eq!(mask.len() % WORD, 0);
        }

        #[test]
        fn no_text_is_a_panic(text in "[0-9,\\- a]{0,12}") {
            let _ = bit_mask(&text);
        }
    }
}
