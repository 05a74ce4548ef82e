use super::*;

#[tokio::test]
async fn nobody_comes_in_without_credentials_and_scopes_hold() {
    let world = World::new().await;
    let anonymous = world.send(Method::GET, "/api/v1/devices", None, &[]).await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        anonymous.headers()["content-type"],
        "application/problem+json"
    );
    let bad = [("authorization", "Bearer nrs_api_x_y")];
    let wrong = world.send(Method::GET, "/api/v1/devices", None, &bad).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);

    let reader = json!({"name": "wall", "scope": "read"});
    let (_, made) = world.post("/api/v1/tokens", reader).await;
    let token = format!("Bearer {}", made["token"].as_str().unwrap());
    let headers = [("authorization", token.as_str())];
    let look = world
        .send(Method::GET, "/api/v1/devices", None, &headers)
        .await;
    assert_eq!(look.status(), StatusCode::OK);
    let body = json!({"name": "Hall"});
    let change = world
        .send(Method::POST, "/api/v1/sites", Some(body), &headers)
        .await;
    assert_eq!(change.status(), StatusCode::FORBIDDEN);
    let more = json!({"name": "more", "scope": "admin"});
    let more = world
        .send(Method::POST, "/api/v1/tokens", Some(more), &headers)
        .await;
    assert_eq!(
        more.status(),
        StatusCode::FORBIDDEN,
        "no token gives more than it has"
    );

    let id = made["id"].as_str().unwrap();
    let gone = world
        .call(Method::DELETE, &format!("/api/v1/tokens/{id}"), None)
        .await;
    assert_eq!(gone.0, StatusCode::NO_CONTENT);
    let after = world
        .send(Method::GET, "/api/v1/devices", None, &headers)
        .await;
    assert_eq!(after.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_is_the_consoles_own() {
    let world = World::new().await;
    let wrong = json!({"username": "ann", "password": "wrong wrong wrong"});
    let refused = world
        .send(Method::POST, "/api/v1/sessions", Some(wrong), &[])
        .await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let right = json!({"username": "ann", "password": PASSWORD});
    let opened = world
        .send(Method::POST, "/api/v1/sessions", Some(right), &[])
        .await;
    assert_eq!(opened.status(), StatusCode::CREATED);
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let site = || Some(json!({"name": "Hall"}));
    let evil = [
        ("cookie", cookie),
        ("origin", "http://evil"),
        ("host", "cloud"),
    ];
    let foreign = world
        .send(Method::POST, "/api/v1/sites", site(), &evil)
        .await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let own = [
        ("cookie", cookie),
        ("origin", "http://cloud"),
        ("host", "cloud"),
    ];
    let made = world
        .send(Method::POST, "/api/v1/sites", site(), &own)
        .await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let ended = world
        .send(Method::DELETE, "/api/v1/sessions/current", None, &own)
        .await;
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    let after = world.send(Method::GET, "/api/v1/sites", None, &own).await;
    assert_eq!(after.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down() {
    let world = World::new().await;
    let mut last = StatusCode::OK;
    for _ in 0..11 {
        let wrong = json!({"username": "ann", "password": "wrong wrong wrong"});
        last = world
            .send(Method::POST, "/api/v1/sessions", Some(wrong), &[])
            .await
            .status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn odd_input_is_a_problem_that_says_what_to_do() {
    let world = World::new().await;
    let (status, problem) = world.post("/api/v1/sites", json!({"nmae": "Hall"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        problem["detail"].as_str().unwrap().contains("nmae"),
        "{problem}"
    );
    let huge = json!({"name": "x".repeat(super::BODY)});
    assert_eq!(
        world.post("/api/v1/sites", huge).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for path in [
        "/api/v1/devices/..%2f..",
        "/api/v1/nothing",
        "/api/v1/rollouts/x%00",
    ] {
        let (status, problem) = world.call(Method::GET, path, None).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::NOT_FOUND, &json!("not_found"))
        );
    }
    let (status, _) = world
        .call(Method::GET, "/api/v1/devices?limit=0", None)
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, problem) = world.call(Method::DELETE, "/api/v1/users/ann", None).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("last_admin"))
    );
}

#[tokio::test]
async fn a_token_that_is_used_expired_or_foreign_says_so() {
    let world = World::new().await;
    let (_, made) = world
        .post(
            "/api/v1/enrolment-tokens",
            json!({"site": "direct", "kind": "device"}),
        )
        .await;
    let token: EnrolToken = made["token"].as_str().unwrap().parse().unwrap();
    let request = |seed: &SigningKey, key: u8| {
        let key = SigningKey::from_seed(&[key; 32]).unwrap();
        EnrolRequest::sign(
            token.id.clone(),
            seed,
            key.public().clone(),
            [1; 32],
            String::new(),
            None,
        )
        .to_cbor()
    };
    let code = |outcome: crate::Result<Vec<u8>>| match outcome {
        Err(Error::Conflict { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    let foreign = SigningKey::from_seed(&[99; 32]).unwrap();
    assert_eq!(
        code(world.cloud.enrol(&request(&foreign, 1)).await),
        "token_unknown"
    );
    let seed = token.key().unwrap();
    world.cloud.enrol(&request(&seed, 1)).await.unwrap();
    world
        .cloud
        .enrol(&request(&seed, 1))
        .await
        .expect("its answer may have been lost");
    assert_eq!(
        code(world.cloud.enrol(&request(&seed, 2)).await),
        "token_used"
    );
    assert!(world.cloud.enrol(b"garbage").await.is_err());

    let id = token.id.as_str();
    let path = format!("/api/v1/enrolment-tokens/{id}");
    assert_eq!(
        world.call(Method::DELETE, &path, None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        code(world.cloud.enrol(&request(&seed, 3)).await),
        "token_revoked"
    );
    let gateway = json!({"site": "direct", "kind": "gateway"});
    let (status, _) = world.post("/api/v1/enrolment-tokens", gateway).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_cloud_does_not_start_twice_over_or_with_a_development_root_in_production() {
    let world = World::new().await;
    let request = crate::Request {
        org: None,
        name: "Again".into(),
        admin: "ann".into(),
        password: Some(PASSWORD.into()),
    };
    let again = crate::init(&world.cloud.config, request).await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    let production = Config {
        production: true,
        ..world.cloud.config.clone()
    };
    let refused = Cloud::open(production).await.unwrap_err();
    assert!(
        refused.to_string().contains("development root"),
        "{refused}"
    );
    let store = crate::store::Store::open(
        &world.folder.path().join("state/cloud.db"),
        Durability::Synced,
    )
    .await
    .unwrap();
    assert_eq!(
        store.organisation().await.unwrap().as_ref(),
        Some(&world.cloud.org)
    );
}
