import HTTPSupport

extension Operation {
    /// Checks that a request may name a transaction: it writes objects, or changes nothing, or what it changes nobody
    /// sees.
    ///
    /// - Throws: ``S3Error`` `InvalidRequest`, so that nothing takes effect at once that was meant to wait.
    func checkInTransaction() throws(S3Error) {
        switch self {
        case .putBucketVersioning, .putBucketACL, .putConfiguration, .deleteConfiguration, .deleteBucket,
            .putObjectSetting, .deleteObjectTagging, .putObjectACL:
            throw S3Error(
                .invalidRequest,
                "a transaction writes, copies and deletes objects; send this without \(TransactionHeader.name)")
        case .getObject(let address, _) where address.asOf != nil,
            .headObject(let address, _) where address.asOf != nil,
            .getObjectAttributes(let address) where address.asOf != nil,
            .getObjectSetting(let address, _) where address.asOf != nil:
            throw S3Error(
                .invalidRequest,
                "a request reads the past or what a transaction writes: \(PastHeader.asOf) and "
                    + "\(TransactionHeader.name) exclude each other")
        default: break
        }
    }
}
