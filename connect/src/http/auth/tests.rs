use super::*;

const TOKEN: &str = "0123456789abcdef-token";

/// A gate with the user `ann`, the token of `ci`, and certificates.
struct Scene {
    authentication: Authentication,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (users, tokens) = (folder.path().join("users"), folder.path().join("tokens"));
        std::fs::write(&users, "ann: geheim:4711\n").unwrap();
        std::fs::write(&tokens, format!("ci: {TOKEN}\n")).unwrap();
        let authentication = Authentication {
            users: Some(users),
            tokens: Some(tokens),
            takes_certificates: true,
            ..Authentication::default()
        };
        Self { authentication, _folder: folder }
    }

    fn roles(mut self, admins: Option<&[&str]>, readers: &[&str]) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.authentication.admins = admins.map(names);
        self.authentication.readers = names(readers);
        self
    }

    fn gate(&self) -> Gate {
        Gate::open(&self.authentication).unwrap()
    }
}

fn basic(login: &str) -> (&'static str, String) {
    ("authorization", format!("Basic {}", STANDARD.encode(login)))
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("bearer {token}"))
}

async fn ask(
    gate: &Gate,
    request: (&str, &str),
    said: &[(&'static str, String)],
    certificate: Option<&str>,
) -> Result<Caller, Refusal> {
    let (method, path) = request;
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        headers.insert(*name, value.parse().unwrap());
    }
    gate.admit(Asked { method: &method, path, headers: &headers }, certificate).await
}

fn named(name: &str, role: Role) -> Result<Caller, Refusal> {
    Ok(Caller { name: Some(name.to_owned()), role })
}

fn wrong(name: Option<&str>) -> Result<Caller, Refusal> {
    Err(Refusal::WrongLogin { name: name.map(str::to_owned) })
}

const READ: (&str, &str) = ("GET", "/connectors");
const CHANGE: (&str, &str) = ("PUT", "/connectors/a/pause");

#[tokio::test]
async fn without_a_login_everybody_may_do_everything() {
    let gate = Gate::open(&Authentication::default()).unwrap();

    let anybody = ask(&gate, CHANGE, &[], None).await;
    let somebody = ask(&gate, CHANGE, &[], Some("ann")).await;

    assert_eq!(anybody, Ok(Caller { name: None, role: Role::Admin }));
    assert_eq!(somebody, named("ann", Role::Admin));
}

#[tokio::test]
async fn each_kind_of_login_says_who_asks() {
    let gate = Scene::new().gate();
    for (said, certificate, expected) in [
        (vec![basic("ann:geheim:4711")], None, named("ann", Role::Admin)),
        (vec![bearer(TOKEN)], None, named("ci", Role::Admin)),
        (vec![], Some("carl"), named("carl", Role::Admin)),
        // What is said counts before what is shown.
        (vec![bearer(TOKEN)], Some("carl"), named("ci", Role::Admin)),
        (vec![bearer("0000000000000000")], Some("carl"), wrong(None)),
        (vec![], None, Err(Refusal::NoLogin)),
        (vec![basic("ann:wrong")], None, wrong(Some("ann"))),
        (vec![basic("ann")], None, wrong(None)),
        // Somebody has typed the password where the name belongs.
        (vec![basic("geheim:")], None, wrong(None)),
        (vec![("authorization", "Basic %%%".to_owned())], None, wrong(None)),
        (vec![("authorization", "Basic".to_owned())], None, wrong(None)),
        (vec![("authorization", "Digest x".to_owned())], None, wrong(None)),
        (vec![bearer("")], None, wrong(None)),
    ] {
        assert_eq!(ask(&gate, CHANGE, &said, certificate).await, expected, "{said:?}");
    }
}

#[tokio::test]
async fn kinds_of_login_that_are_not_chosen_are_not_taken() {
    let mut scene = Scene::new();
    scene.authentication.takes_certificates = false;
    scene.authentication.tokens = None;
    let gate = scene.gate();

    assert_eq!(ask(&gate, READ, &[], Some("carl")).await, Err(Refusal::NoLogin));
    assert_eq!(ask(&gate, READ, &[bearer(TOKEN)], None).await, wrong(None));
    assert_eq!(gate.challenges().count(), 1);
    assert_eq!(gate.status(&Refusal::NoLogin), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn certificates_alone_are_refused_without_a_challenge() {
    let authentication = Authentication { takes_certificates: true, ..Authentication::default() };
    let gate = Gate::open(&authentication).unwrap();

    assert_eq!(gate.status(&Refusal::NoLogin), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn readers_read_and_names_without_a_role_do_nothing() {
    let (ann, ci) = ([basic("ann:geheim:4711")], [bearer(TOKEN)]);
    let read_only = |name: &str| Err(Refusal::ReadOnly { name: Some(name.to_owned()) });

    let some = Scene::new().roles(None, &["ann"]).gate();
    assert_eq!(ask(&some, READ, &ann, None).await, named("ann", Role::Reader));
    assert_eq!(ask(&some, ("HEAD", "/"), &ann, None).await, named("ann", Role::Reader));
    for method in ["PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"] {
        assert_eq!(ask(&some, (method, "/"), &ann, None).await, read_only("ann"), "{method}");
    }
    assert_eq!(ask(&some, CHANGE, &ci, None).await, named("ci", Role::Admin));

    let both = Scene::new().roles(Some(&["ann"]), &["*"]).gate();
    assert_eq!(ask(&both, CHANGE, &ann, None).await, named("ann", Role::Admin));
    assert_eq!(ask(&both, CHANGE, &ci, None).await, read_only("ci"));

    let admins = Scene::new().roles(Some(&["ann"]), &[]).gate();
    let none = Err(Refusal::NoRole { name: "ci".to_owned() });
    assert_eq!(ask(&admins, READ, &ci, None).await, none);
}

#[tokio::test]
async fn what_is_exempt_is_read_by_anybody_and_changed_by_nobody() {
    let mut scene = Scene::new();
    scene.authentication.exempt = vec!["/health".to_owned()];
    let gate = scene.gate();

    let anybody = Ok(Caller { name: None, role: Role::Reader });
    assert_eq!(ask(&gate, ("GET", "/health"), &[], None).await, anybody);
    for request in [("PUT", "/health"), ("GET", "/health/"), ("GET", "//health"), READ] {
        assert_eq!(ask(&gate, request, &[], None).await, Err(Refusal::NoLogin), "{request:?}");
    }
}

#[tokio::test]
async fn web_pages_change_nothing_with_a_login_or_without() {
    let page = ("origin", "http://evil.example".to_owned());
    let open = Gate::open(&Authentication::default()).unwrap();
    let closed = Scene::new().gate();

    assert_eq!(ask(&open, CHANGE, std::slice::from_ref(&page), None).await, Err(Refusal::FromPage));
    let said = [page, basic("ann:geheim:4711")];
    assert_eq!(ask(&closed, CHANGE, &said, None).await, Err(Refusal::FromPage));
    assert_eq!(ask(&closed, READ, &said, None).await, named("ann", Role::Admin));
}
