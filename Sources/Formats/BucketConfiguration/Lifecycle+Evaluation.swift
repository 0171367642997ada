package import Wire

/// What rules ask of an object.
package struct LifecycleObject: Sendable, Hashable {
    package var key: String
    package var tags: [TagSet.Tag]
    package var size: Int64
    package var created: Timestamp

    package init(key: String, tags: [TagSet.Tag] = [], size: Int64, created: Timestamp) {
        self.key = key
        self.tags = tags
        self.size = size
        self.created = created
    }
}

/// What is due for a version, and by which rule.
package enum LifecycleAction: Sendable, Hashable {
    case expire(rule: String)
    case transition(StorageClass, rule: String)
}

extension LifecycleConfiguration {
    /// When the current version of an object expires, and by which rule; the earliest where several rules are for it.
    package func expiration(of object: LifecycleObject) -> (date: Timestamp, rule: String)? {
        var earliest: (date: Timestamp, rule: String)?
        for rule in enabled(for: object) {
            guard case .at(let moment) = rule.expiration else { continue }
            let date = date(moment, from: object.created)
            if earliest.map({ date < $0.date }) ?? true { earliest = (date, rule.id) }
        }
        return earliest
    }

    /// The value of `x-amz-expiration` (GetObject): `expiry-date="Fri, 21 Dec 2012 00:00:00 GMT", rule-id="…"`.
    package func expirationHeader(of object: LifecycleObject) -> String? {
        expiration(of: object).map {
            "expiry-date=\"\($0.date.httpDate)\", rule-id=\"\(PercentEncoding.encode($0.rule))\""
        }
    }

    /// What is due for the current version of an object. That it expires goes before that it moves; of several moves
    /// that are due, the latest counts.
    package func due(current object: LifecycleObject, now: Timestamp) -> LifecycleAction? {
        if let expiration = expiration(of: object), expiration.date <= now { return .expire(rule: expiration.rule) }
        var latest: (date: Timestamp, action: LifecycleAction)?
        for rule in enabled(for: object) {
            for transition in rule.transitions {
                let date = date(transition.moment, from: object.created)
                guard date <= now, latest.map({ date > $0.date }) ?? true else { continue }
                latest = (date, .transition(transition.storageClass, rule: rule.id))
            }
        }
        return latest?.action
    }

    /// What is due for a version that is not the current one.
    ///
    /// - Parameters:
    ///   - since: when the version that followed it was made.
    ///   - newerVersions: how many versions that are not current either are newer than it.
    package func due(
        noncurrent object: LifecycleObject, since: Timestamp, newerVersions: Int64, now: Timestamp
    ) -> LifecycleAction? {
        var latest: (date: Timestamp, action: LifecycleAction)?
        for rule in enabled(for: object) {
            if let expiration = rule.noncurrentExpiration, newerVersions >= expiration.newerVersions ?? 0,
                date(.days(expiration.days), from: since) <= now
            {
                return .expire(rule: rule.id)
            }
            for transition in rule.noncurrentTransitions where newerVersions >= transition.newerVersions ?? 0 {
                let date = date(.days(transition.days), from: since)
                guard date <= now, latest.map({ date > $0.date }) ?? true else { continue }
                latest = (date, .transition(transition.storageClass, rule: rule.id))
            }
        }
        return latest?.action
    }

    /// The rule by which a delete marker goes behind which no version is left, if one does: one that says so, or one
    /// by which the marker is old enough, as S3 has it for rules with Days or Date.
    package func removesDeleteMarker(key: String, created: Timestamp, now: Timestamp) -> String? {
        rules.first { rule in
            guard rule.isEnabled, rule.filter.matches(key: key, tags: [], size: 0) else { return false }
            switch rule.expiration {
            case .deleteMarker: return true
            case .at(let moment): return date(moment, from: created) <= now
            case .keepDeleteMarker, nil: return false
            }
        }?.id
    }

    /// The rule by which an upload that was not completed is aborted, if one is due.
    package func abortsUpload(key: String, initiated: Timestamp, now: Timestamp) -> String? {
        uploadAbort(key: key, initiated: initiated).flatMap { $0.date <= now ? $0.rule : nil }
    }

    /// When an upload is aborted, and by which rule: `x-amz-abort-date` and `x-amz-abort-rule-id`.
    package func uploadAbort(key: String, initiated: Timestamp) -> (date: Timestamp, rule: String)? {
        var earliest: (date: Timestamp, rule: String)?
        for rule in rules where rule.isEnabled && rule.filter.matches(key: key) {
            guard let days = rule.abortUploadsDays else { continue }
            let date = date(.days(days), from: initiated)
            if earliest.map({ date < $0.date }) ?? true { earliest = (date, rule.id) }
        }
        return earliest
    }

    private func enabled(for object: LifecycleObject) -> some Sequence<LifecycleRule> {
        rules.lazy.filter { rule in
            rule.isEnabled && rule.filter.matches(key: object.key, tags: object.tags, size: object.size)
        }
    }

    /// A number of days is counted from the making and then rounded up to the next midnight in UTC ("Lifecycle rules:
    /// based on an object's age"). What was made at midnight sharp waits for the following one: later is the safe side.
    private func date(_ moment: LifecycleRule.Moment, from start: Timestamp) -> Timestamp {
        switch moment {
        case .date(let date): return date
        case .days(let days):
            return Timestamp(seconds: day(of: start) * daySeconds).adding(seconds: (days + 1) * daySeconds)
        }
    }

    /// The number of the day that a moment is in. Nothing becomes due but at the beginning of one.
    package func day(of moment: Timestamp) -> Int64 {
        let seconds = moment.seconds
        return (seconds - ((seconds % daySeconds) + daySeconds) % daySeconds) / daySeconds
    }
}
