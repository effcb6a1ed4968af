//! Certificates and tokens are required.

use std::time::Duration;

use polars::prelude::*;
use polars_par_apply::ParApply;
use polars_par_apply_cluster::{Cluster, ErrorKind, Tls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use crate::functions::registry;
use crate::machines::{assert_same, builder, files, read_folder, rows, wait_until};

crate::laws! {
    a_token_is_asked_for
    certificates_are_asked_for
}

fn a_token_is_asked_for() {
    let mut processes = builder()
        .executor_timeout(Duration::from_secs(10))
        .environment("POLARS_PAR_APPLY_TOKEN", "open sesame")
        .start()
        .unwrap();
    let unauthorized = |cluster: Result<Cluster, polars_par_apply_cluster::Error>| {
        let error = cluster.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Unauthorized { .. }),
            "{error}"
        );
    };
    unauthorized(Cluster::connect(processes.url()));
    unauthorized(Cluster::builder(processes.url()).token("open").connect());
    let cluster = Cluster::builder(processes.url())
        .token("open sesame")
        .connect()
        .unwrap();
    processes.wait_for(&cluster).unwrap();
    let same = registry().get("same").unwrap();
    let call = cluster.of(&rows()).chunk_rows(20).call(&same);
    assert_same(&call.collect().unwrap().output, &rows());

    // An executor without the token ends, and says why.
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["executor", "--scheduler", processes.url()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("token"), "{said}");

    // If an executor dies, no row is lost here either.
    let sleep = registry().get("sleep").unwrap();
    let frame = df!["x" => vec![100i64; 20]].unwrap();
    let call = cluster.of(&frame).chunk_rows(1).call(&sleep);
    let job = std::thread::spawn(move || call.collect());
    std::thread::sleep(Duration::from_millis(500));
    processes.kill_executor(0).unwrap();
    let expected = frame.par_apply().call_with_columns(&sleep).unwrap();
    assert_same(&job.join().unwrap().unwrap().output, &expected);
}

/// The certificate of an authority, and a certificate that it has signed.
fn certificates() -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["polars-par-apply-cluster".to_string()]).unwrap();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (authority.pem(), certificate.pem(), key.serialize_pem())
}

fn certificates_are_asked_for() {
    let data = files(rows(), &[30, 30]);
    let (authority, certificate, key) = certificates();
    let paths = [("ca", &authority), ("cert", &certificate), ("key", &key)].map(|(name, text)| {
        let path = data.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    });
    let [ca, cert, key_path] = paths.clone();
    let arguments = ["--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key_path];
    let processes = builder()
        .executor_timeout(Duration::from_secs(10))
        .arguments(arguments)
        .start()
        .unwrap();
    let tls = Tls::from_pem(authority.as_bytes(), certificate.as_bytes(), key.as_bytes());
    let cluster = Cluster::builder(processes.url())
        .tls(tls)
        .connect()
        .unwrap();
    wait_until("the executors are there", || {
        cluster.executors().unwrap() == 2
    });
    let same = registry().get("same").unwrap();
    let found = cluster
        .scan_parquet(data.pattern())
        .call(&same)
        .collect()
        .unwrap();
    assert_same(&found.output, &rows());
    let folder = data.path("out");
    cluster
        .scan_parquet(data.pattern())
        .call(&same)
        .sink_parquet(&folder)
        .unwrap();
    assert_same(&read_folder(&folder), &rows());

    // A driver without certificates, and one with certificates of another authority.
    let patience = Duration::from_millis(300);
    let plain = Cluster::builder(processes.url())
        .patience(patience)
        .connect();
    assert!(matches!(
        plain.unwrap_err().kind(),
        ErrorKind::Unreachable { .. }
    ));
    let (other, certificate, key) = certificates();
    let tls = Tls::from_pem(other.as_bytes(), certificate.as_bytes(), key.as_bytes());
    let strange = Cluster::builder(processes.url())
        .tls(tls)
        .patience(patience)
        .connect();
    assert!(matches!(
        strange.unwrap_err().kind(),
        ErrorKind::Unreachable { .. }
    ));
    let tls = Tls::from_pem(authority.as_bytes(), certificate.as_bytes(), key.as_bytes());
    let strange = Cluster::builder(processes.url())
        .tls(tls)
        .patience(patience)
        .connect();
    assert!(matches!(
        strange.unwrap_err().kind(),
        ErrorKind::Unreachable { .. }
    ));
}
