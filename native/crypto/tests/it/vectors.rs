//! Examples printed in the standards.

use crate::bytes::hex;
use hn_crypto::sm2::{PublicKey, SecretKey, VerifyStatus, verify_single};
use hn_crypto::sm3::sm3;

#[test]
fn sm3_examples_of_gbt_32905() {
    assert_eq!(
        sm3(b"abc"),
        hex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    );
    assert_eq!(
        sm3(&b"abcd".repeat(16)),
        hex("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732")
    );
}

#[test]
fn sm2_example_of_gbt_32918_5() {
    let secret =
        SecretKey::from_bytes(&hex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")).unwrap();
    let public: [u8; 65] = hex("0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
         ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13");
    assert_eq!(secret.public_key().to_bytes(), public);
    let public = PublicKey::from_bytes(&public).unwrap();
    assert_eq!(
        *public.za(),
        hex("b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3")
    );
    assert_eq!(
        public.digest(b"message digest"),
        hex("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640")
    );
    let signature = hex("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa");
    assert_eq!(
        verify_single(&public, b"message digest", &signature),
        VerifyStatus::Valid
    );
    assert_eq!(
        verify_single(&public, b"message digesT", &signature),
        VerifyStatus::BadSignature
    );
    let own = secret.sign(b"message digest");
    assert_eq!(verify_single(&public, b"message digest", &own), VerifyStatus::Valid);
}
