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
            (
                redemption.clone(),
                store.redeem(&redemption, 2, issued).await,
            )
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
    let again = world.store.redeem(redemption, 3, issued).await.unwrap();
    let (first, certificate) = outcome.as_ref().unwrap();
    assert_eq!(again.0, *first);
    for certificate in [certificate, &again.1] {
        let key = first.device.as_str();
        let admitted = world.store.admitted(key, &certificate.serial).await;
        assert_eq!(
            admitted.unwrap().as_deref(),
            Some("direct"),
            "either answer may have come"
        );
    }
    let mut last = Ok(again);
    for _ in 0..20 {
        last = world.store.redeem(redemption, 3, issued).await;
    }
    assert!(last.is_err(), "not for ever");
}

#[tokio::test]
async fn a_document_marked_again_while_it_is_issued_stays_marked() {
    let world = World::new().await;
    let mark = async || {
        let mut transaction = world.store.begin().await.unwrap();
        super::super::unissued::mark_unissued(&mut transaction, "cam")
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        world.store.unissued().await.unwrap().remove(0)
    };
    let (first, second) = (mark().await, mark().await);
    world.store.note_issued(&first).await.unwrap();
    assert_eq!(
        world.store.unissued().await.unwrap(),
        std::slice::from_ref(&second)
    );
    world.store.note_issued(&second).await.unwrap();
    assert!(world.store.unissued().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_site_is_told_of_revoked_certificates_until_they_expire_and_of_no_more_than_fit() {
    let world = World::new().await;
    let (here, elsewhere) = (&world.site, "hall".parse().unwrap());
    let none = world.store.revocations(here, 500).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
    world.store.revoke_peer("cam", 5).await.unwrap();
    let told = world.store.revocations(here, 500).await.unwrap();
    assert_eq!(told[0].device, Some(world.device.clone()));
    let told = world.store.revocations(&elsewhere, 500).await.unwrap();
    assert_eq!((told.len(), &told[0].device), (1, &None));
    assert!(
        world
            .store
            .revocations(here, 1_000)
            .await
            .unwrap()
            .is_empty()
    );

    let mut transaction = world.store.begin().await.unwrap();
    for number in 1..=noroshi_protocol::limits::REVOKED as u64 {
        sqlx::query(
            "INSERT INTO certificate (serial, peer, enrolment, issued_ms, expires_ms, revoked_ms)
             VALUES (?1, 'cam', 1, 0, 2000, 5)",
        )
        .bind(format!("{number:08x}"))
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    transaction.commit().await.unwrap();
    let all = world.store.revocations(here, 500).await.unwrap();
    assert_eq!(all.len(), noroshi_protocol::limits::REVOKED);
    let short: BTreeSet<_> = all.iter().map(|one| one.serial.as_bytes().len()).collect();
    assert!(
        !short.contains(&16),
        "the one that expires first is left out"
    );
}
