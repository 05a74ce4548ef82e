use super::*;

#[tokio::test]
async fn devices_are_found_sorted_and_paged() {
    let world = World::new().await;
    for (at, name) in ["ant", "bee", "cat", "dog"].iter().enumerate() {
        world.enrol(name, 10 + at as u8).await;
    }
    for (order, expected) in [
        (PeerOrder::NameRising, ["ant", "bee", "cam", "cat", "dog"]),
        (PeerOrder::NameFalling, ["dog", "cat", "cam", "bee", "ant"]),
    ] {
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            let page = PageRequest::new(Some(2), cursor).unwrap();
            let page = world
                .store
                .devices(&PeerFilter::default(), order, &page)
                .await
                .unwrap();
            names.extend(page.items.into_iter().map(|row| row.name));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names, expected);
    }
    let filter = PeerFilter {
        text: Some("CA".into()),
        ..PeerFilter::default()
    };
    let page = PageRequest::new(None, None).unwrap();
    let found = world
        .store
        .devices(&filter, PeerOrder::default(), &page)
        .await
        .unwrap();
    assert_eq!(found.items.len(), 2);
    assert!(PageRequest::new(Some(0), None).is_err());
    let bad = PageRequest::new(None, Some("x".into())).unwrap();
    assert!(
        world
            .store
            .devices(&filter, PeerOrder::default(), &bad)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_token_with_one_use_enrols_one_of_many_at_the_same_time() {
    let world = World::new().await;
    let token = NewEnrolmentToken {
        id: "once".parse().unwrap(),
        public_key: public_key(201),
        site: world.site.clone(),
        kind: PeerKind::Device,
        uses: 1,
        expires_ms: 1000,
    };
    world.store.create_enrolment_token(&token, 1).await.unwrap();
    let mut tries = tokio::task::JoinSet::new();
    for seed in 20..40_u8 {
        let (store, token) = (world.store.clone(), token.id.clone());
        tries.spawn(async move {
            let redemption = Redemption {
                token,
                public_key: public_key(seed),
                device: format!("d{seed}").parse().unwrap(),
                name: String::new(),
                capabilities: None,
            };
            (redemption.clone(), store.redeem(&redemption, 2).await)
        });
    }
    let outcomes = tries.join_all().await;
    let (enrolled, refused): (Vec<_>, Vec<_>) = outcomes
        .into_iter()
        .partition(|(_, outcome)| outcome.is_ok());
    assert_eq!((enrolled.len(), refused.len()), (1, 19));
    assert!(refused.iter().all(|(_, outcome)| matches!(
        outcome,
        Err(crate::Error::Conflict {
            code: "token_used",
            ..
        })
    )));
    // The answer was lost: the same key gets the same id again.
    let (redemption, outcome) = &enrolled[0];
    let again = world.store.redeem(redemption, 3).await.unwrap();
    assert_eq!(again, *outcome.as_ref().unwrap());
}
