//! The `openssl` command line (3.0 or later) as second opinion. It is a prerequisite of the tests: without it they fail.

use crate::bytes::{seed, unhex};
use hn_crypto::pem::{
    public_key_from_pem, public_key_to_pem, secret_key_from_pem, secret_key_to_pem, signature_from_der,
    signature_to_der,
};
use hn_crypto::sm2::{
    PublicKey, SecretKey, VerifyStatus, generate, message_digest, verify_digest_single, verify_single,
};
use hn_crypto::sm3::{hmac_sm3, pbkdf2_hmac_sm3, sm3};
use hn_crypto::sm4::{cbc_encrypt, ctr, encrypt_block};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const DISTID: &str = "distid:1234567812345678";

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hn-crypto-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `openssl` with these arguments and input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        panic!("the tests need the openssl command line, version 3.0 or later, on the PATH")
    };
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Standard output of a run that must succeed.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = run(arguments, input);
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn verifies(public: &str, message: &str, signature: &str, id: Option<&str>) -> bool {
    let mut arguments = vec![
        "pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pubin", "-inkey", public, "-in", message,
    ];
    arguments.extend(["-sigfile", signature]);
    if let Some(id) = id {
        arguments.extend(["-pkeyopt", id]);
    }
    run(&arguments, b"").status.success()
}

fn sign(secret: &str, message: &str, id: Option<&str>) -> [u8; 64] {
    let mut arguments = vec![
        "pkeyutl", "-sign", "-rawin", "-digest", "sm3", "-inkey", secret, "-in", message,
    ];
    if let Some(id) = id {
        arguments.extend(["-pkeyopt", id]);
    }
    signature_from_der(&openssl(&arguments, b"")).unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(path)).unwrap()
}

#[test]
fn version_is_3_or_later() {
    let text = String::from_utf8(openssl(&["version"], b"")).unwrap();
    let major: u32 = text.split([' ', '.']).nth(1).unwrap().parse().unwrap();
    assert!(major >= 3, "the tests need openssl 3.0 or later, found {text}");
}

#[test]
fn signatures_cross_both_ways() {
    let folder = Folder::new("cross");
    let key = generate(&seed("openssl", 0));
    let secret = folder.write("secret.pem", secret_key_to_pem(&key).as_bytes());
    let public = folder.write("public.pem", public_key_to_pem(key.public_key()).as_bytes());
    for index in 0..6u64 {
        let bytes = vec![index as u8; [1, 32, 55, 64, 65, 5000][index as usize]];
        let message = folder.write("message", &bytes);
        let signature = folder.write("signature", &signature_to_der(&key.sign(&bytes)));
        assert!(verifies(&public, &message, &signature, Some(DISTID)));
        let theirs = sign(&secret, &message, Some(DISTID));
        assert_eq!(verify_single(key.public_key(), &bytes, &theirs), VerifyStatus::Valid);
        let altered = folder.write("altered", &signature_to_der(&key.sign(b"another")));
        assert!(!verifies(&public, &message, &altered, Some(DISTID)));
    }
}

#[test]
fn keys_cross_both_ways() {
    let folder = Folder::new("keys");
    let secret_path = folder.path("theirs.pem");
    for arguments in [
        &["-algorithm", "SM2"][..],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"],
    ] {
        openssl(&[&["genpkey", "-out", &secret_path][..], arguments].concat(), b"");
        let text = read(&secret_path);
        let key: SecretKey = secret_key_from_pem(&text).unwrap();
        assert_eq!(*secret_key_to_pem(&key), text, "the same bytes as openssl");
        let public = String::from_utf8(openssl(&["pkey", "-in", &secret_path, "-pubout"], b"")).unwrap();
        assert_eq!(public_key_to_pem(key.public_key()), public);
        assert_eq!(public_key_from_pem(&public).unwrap(), *key.public_key());
        let compressed = openssl(&["ec", "-in", &secret_path, "-pubout", "-conv_form", "compressed"], b"");
        assert_eq!(
            public_key_from_pem(&String::from_utf8(compressed).unwrap()).unwrap(),
            *key.public_key()
        );
    }
    // The order of the curve is checked by them too.
    for index in 0..4 {
        let key = generate(&seed("openssl keys", index));
        let path = folder.write("ours.pem", secret_key_to_pem(&key).as_bytes());
        openssl(&["pkey", "-in", &path, "-check", "-noout"], b"");
        let public = String::from_utf8(openssl(&["pkey", "-in", &path, "-pubout"], b"")).unwrap();
        assert_eq!(public, public_key_to_pem(key.public_key()));
    }
}

#[test]
fn other_curves_and_algorithms_are_refused() {
    for arguments in [
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
        &["-algorithm", "ED25519"],
        &["-algorithm", "X25519"],
    ] {
        let text = String::from_utf8(openssl(&[&["genpkey"][..], arguments].concat(), b"")).unwrap();
        assert!(secret_key_from_pem(&text).is_err(), "{arguments:?}");
    }
}

/// Without `distid` versions before 4.0 use an empty ID on both sides; two such sides agree with nobody else.
#[test]
fn identifiers_must_agree() {
    let folder = Folder::new("id");
    let key = generate(&seed("openssl id", 0));
    let secret = folder.write("secret.pem", secret_key_to_pem(&key).as_bytes());
    let public = folder.write("public.pem", public_key_to_pem(key.public_key()).as_bytes());
    let message = folder.write("message", b"the message");
    let pk: &PublicKey = key.public_key();
    let ids: [(Option<&str>, &[u8]); 3] = [
        (Some(DISTID), b"1234567812345678"),
        (Some("distid:alice@example.com"), b"alice@example.com"),
        (Some("distid:"), b""),
    ];
    for (option, id) in ids {
        let e = message_digest(&pk.za_for_id(id).unwrap(), b"the message");
        let theirs = sign(&secret, &message, option);
        assert_eq!(verify_digest_single(pk, &e, &theirs), VerifyStatus::Valid, "{option:?}");
        let ours = folder.write("ours", &signature_to_der(&key.sign_digest(&e)));
        for (other, other_id) in ids {
            assert_eq!(
                verifies(&public, &message, &ours, other),
                id == other_id,
                "{option:?} {other:?}"
            );
        }
    }
    // No option at all: empty before 4.0, the default ID from 4.0 on.
    let theirs = sign(&secret, &message, None);
    let accepted = [&b""[..], b"1234567812345678"]
        .iter()
        .filter(|id| {
            let e = message_digest(&pk.za_for_id(id).unwrap(), b"the message");
            verify_digest_single(pk, &e, &theirs) == VerifyStatus::Valid
        })
        .count();
    assert_eq!(accepted, 1);
}

#[test]
fn certificates_verify_with_the_default_id() {
    let folder = Folder::new("certificate");
    let key = generate(&seed("openssl certificate", 0));
    let secret = folder.write("secret.pem", secret_key_to_pem(&key).as_bytes());
    let certificate = folder.path("certificate.pem");
    openssl(
        &[
            "req",
            "-x509",
            "-new",
            "-key",
            &secret,
            "-sm3",
            "-sigopt",
            DISTID,
            "-subj",
            "/CN=test",
            "-out",
            &certificate,
        ],
        b"",
    );
    openssl(
        &["verify", "-vfyopt", DISTID, "-CAfile", &certificate, &certificate],
        b"",
    );
}

#[test]
fn hashes_agree() {
    let data: Vec<u8> = (0..1u32 << 20).map(|i| (i >> 3) as u8 ^ i as u8).collect();
    for length in [0, 1, 55, 56, 63, 64, 65, 119, 120, 1 << 20] {
        let digest = openssl(&["dgst", "-sm3", "-binary"], &data[..length]);
        assert_eq!(digest, sm3(&data[..length]), "{length} bytes");
    }
    for length in [1usize, 63, 64, 65, 200] {
        let key: String = (0..length).map(|i| format!("{:02x}", i as u8)).collect();
        let option = format!("hexkey:{key}");
        let tag = openssl(
            &["mac", "-digest", "SM3", "-macopt", &option, "-binary", "HMAC"],
            &data[..300],
        );
        assert_eq!(tag, hmac_sm3(&unhex(&key), &data[..300]), "key of {length} bytes");
    }
    let derived = openssl(
        &[
            "kdf",
            "-keylen",
            "70",
            "-kdfopt",
            "digest:SM3",
            "-kdfopt",
            "pass:secret",
            "-kdfopt",
            "salt:0123456789abcdef",
            "-kdfopt",
            "iter:1234",
            "-binary",
            "PBKDF2",
        ],
        b"",
    );
    let mut ours = [0; 70];
    pbkdf2_hmac_sm3(b"secret", b"0123456789abcdef", 1234, &mut ours).unwrap();
    assert_eq!(derived, ours);
}

#[test]
fn ciphers_agree() {
    let data: Vec<u8> = (0..5000u32).map(|i| ((i * i) >> 2) as u8).collect();
    for index in 0..4 {
        let (key, iv): ([u8; 16], [u8; 16]) = {
            let bytes = seed("openssl sm4", index);
            (bytes[..16].try_into().unwrap(), bytes[16..].try_into().unwrap())
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let (key_text, iv_text) = (hex(&key), hex(&iv));
        for length in [1usize, 16, 17, 1024, 1025, 5000] {
            let plain = &data[..length];
            let cbc = openssl(&["enc", "-sm4-cbc", "-K", &key_text, "-iv", &iv_text], plain);
            assert_eq!(cbc, cbc_encrypt(&key, &iv, plain));
            let mut stream = plain.to_vec();
            ctr(&key, &iv, &mut stream);
            assert_eq!(
                openssl(&["enc", "-sm4-ctr", "-K", &key_text, "-iv", &iv_text], plain),
                stream
            );
        }
        let ecb = openssl(&["enc", "-sm4-ecb", "-nopad", "-K", &key_text], &data[..16]);
        assert_eq!(ecb, encrypt_block(&key, data[..16].try_into().unwrap()));
    }
}
