use super::*;

impl World {
    /// A token's secret and id.
    async fn token_of(&self, with: &str, body: Value) -> (StatusCode, Value) {
        let token = format!("Bearer {with}");
        let headers = [("authorization", token.as_str())];
        let made = self.send(Method::POST, "/api/v1/tokens", Some(body), &headers);
        let made = made.await;
        (made.status(), read(made).await)
    }

    async fn as_token(&self, with: &Value, method: Method, path: &str) -> StatusCode {
        let token = format!("Bearer {}", with["token"].as_str().unwrap());
        let headers = [("authorization", token.as_str())];
        self.send(method, path, None, &headers).await.status()
    }

    async fn remove(&self, with: &Value, other: &Value) -> StatusCode {
        let path = format!("/api/v1/tokens/{}", other["id"].as_str().unwrap());
        self.as_token(with, Method::DELETE, &path).await
    }
}

#[tokio::test]
async fn a_token_makes_none_that_outlives_it() {
    let world = World::new().await;
    let body = json!({"name": "short", "scope": "admin", "ttl_s": 600});
    let (_, parent) = world.token_of(&world.token, body).await;
    let secret = parent["token"].as_str().unwrap();
    let end = parent["expires_ms"].as_u64().unwrap();
    for ttl_s in [Value::Null, json!(601), json!(u64::MAX)] {
        let body = json!({"name": "child", "scope": "read", "ttl_s": ttl_s});
        let (status, child) = world.token_of(secret, body).await;
        assert_eq!(status, StatusCode::CREATED, "{child}");
        assert_eq!(child["expires_ms"].as_u64(), Some(end), "{ttl_s}");
    }
    let body = json!({"name": "child", "scope": "read", "ttl_s": 1});
    let (_, child) = world.token_of(secret, body).await;
    assert!(child["expires_ms"].as_u64().unwrap() < end);
    let body = json!({"name": "long", "scope": "read"});
    let (_, long) = world.token_of(&world.token, body).await;
    assert!(long["expires_ms"].is_null(), "its parent does not expire");
}

#[tokio::test]
async fn a_token_removes_itself_and_others_only_if_it_may() {
    let world = World::new().await;
    let make = async |name: &str, scope: &str| {
        let body = json!({"name": name, "scope": scope});
        world.token_of(&world.token, body).await.1
    };
    let (reader, operator) = (make("r", "read").await, make("o", "operate").await);
    let (other, admin) = (make("other", "read").await, make("a", "admin").await);
    assert_eq!(world.remove(&reader, &other).await, StatusCode::FORBIDDEN);
    assert_eq!(world.remove(&operator, &admin).await, StatusCode::FORBIDDEN);
    assert_eq!(
        world.as_token(&admin, Method::GET, "/api/v1/sites").await,
        StatusCode::OK
    );
    assert_eq!(
        world.remove(&operator, &other).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(world.remove(&operator, &other).await, StatusCode::NOT_FOUND);
    assert_eq!(world.remove(&reader, &reader).await, StatusCode::NO_CONTENT);
    assert_eq!(
        world.remove(&admin, &operator).await,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn whoever_changes_its_own_password_shows_the_one_until_now() {
    let world = World::new().await;
    let path = "/api/v1/users/ann/password";
    let change = async |body: Value| world.call(Method::PUT, path, Some(body)).await;
    let new = "another battery horse";
    let (status, problem) = change(json!({"password": new})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        problem["detail"].as_str().unwrap().contains("`current`"),
        "{problem}"
    );
    let (status, _) = change(json!({"password": new, "current": "wrong wrong"})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = change(json!({"password": new, "current": PASSWORD})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for _ in 0..10 {
        change(json!({"password": new, "current": "wrong wrong"})).await;
    }
    let (status, _) = change(json!({"password": new, "current": new})).await;
    assert_eq!(
        status,
        StatusCode::TOO_MANY_REQUESTS,
        "guessing is slowed down here too"
    );
    // An administrator gives another user one without.
    let user = json!({"name": "bob", "password": PASSWORD, "scope": "read"});
    world.post("/api/v1/users", user).await;
    let path = "/api/v1/users/bob/password";
    let body = Some(json!({"password": new}));
    let (status, _) = world.call(Method::PUT, path, body).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_unknown_key_is_refused_by_name_in_bodies_and_addresses() {
    let world = World::new().await;
    let body = json!({"name": "x", "scope": "read", "ttl": 5});
    for (method, path, body, key) in [
        (Method::POST, "/api/v1/tokens", Some(body), "ttl"),
        (Method::GET, "/api/v1/results?devise=x", None, "devise"),
        (
            Method::GET,
            "/api/v1/devices?sort=name&limt=3",
            None,
            "limt",
        ),
        (
            Method::PUT,
            "/api/v1/pipelines/front?dryrun=true",
            Some(application(&["x"])),
            "dryrun",
        ),
    ] {
        let (status, problem) = world.call(method, path, body).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: {problem}"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(key) && detail.contains("expected"),
            "{detail}"
        );
    }
}
