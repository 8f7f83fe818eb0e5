/**
 * Vectors of the WireGuard core, with their origin. All values are hexadecimal.
 *
 * `NOISE`: published, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s from cacophony's vectors, as kept in mcginty/snow,
 * `tests/vectors/cacophony.txt` (public domain; snow itself Apache-2.0 or MIT).
 * `KDF3`: published, WireGuard/wireguard-go `device/kdf_test.go` (MIT).
 * `WIREGUARD`: computed for this project with the keys of `NOISE`, by two independent implementations (Python;
 * TypeScript over noble) that agree and reproduce `NOISE` first.
 */
export const NOISE = {
  prologue: "4a6f686e2047616c74",
  presharedKey: "54686973206973206d7920417573747269616e20706572737065637469766521",
  initiatorStatic: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
  initiatorEphemeral: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
  responderStatic: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
  responderStaticPublic: "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
  responderEphemeral: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
  handshakeHash: "f5191b875290abcd41347ac3622d9679688a7e980229cb937ef748336cfde0e5",
  payload1: "4c756477696720766f6e204d69736573",
  message1:
    "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8e2ad57" +
    "527207feb56253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab5000980c84831215f2441eba6" +
    "16548e832985464cf17e51ee93109008399a21f7e13f",
  payload2: "4d757272617920526f746862617264",
  message2:
    "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b8f0075" +
    "72dab0322217755c0632f365717edbf34d33e87a",
  /** Transport messages, in turn by initiator and responder; each side counts its own from 0. */
  transport: [
    {
      payload: "462e20412e20486179656b",
      message: "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7",
    },
    {
      payload: "4361726c204d656e676572",
      message: "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef",
    },
    {
      payload: "4a65616e2d426170746973746520536179",
      message: "6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d",
    },
    {
      payload: "457567656e2042f6686d20766f6e2042617765726b",
      message: "dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292",
    },
  ],
} as const;

export const KDF3 = [
  {
    name: "test-key",
    key: "746573742d6b6579",
    input: "746573742d696e707574",
    t1: "6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
    t2: "df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
    t3: "fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24",
  },
  {
    name: "wireguard",
    key: "776972656775617264",
    input: "776972656775617264",
    t1: "491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8",
    t2: "1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f",
    t3: "31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160",
  },
  {
    name: "empty",
    key: "",
    input: "",
    t1: "8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0",
    t2: "58a0e5f6faefccf4807bff1f05fa8a9217945762040bcec2f4b4a62bdfe0e86e",
    t3: "0ce6ea98ec548f8e281e93e32db65621c45eb18dc6f0a7ad94178610a2f7338e",
  },
] as const;

export const WIREGUARD = {
  constructionHash: "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36",
  identifierHash: "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3",
  initiatorStaticPublic: "6bc3822a2aa7f4e6981d6538692b3cdf3e6df9eea6ed269eb41d93c22757b75a",
  initiatorIndex: 0x11223344,
  responderIndex: 0x55667788,
  unixMs: 1_700_000_000_000 + 0x12000000 / 1_000_000,
  timestamp: "400000006553f10a12000000",
  mac1KeyOfResponder: "49f9a27543e44e87740826853a4d1090a5e4b149ddc1096b9ff31db725d4f4ce",
  mac1KeyOfInitiator: "52027a3699e02dc5d13e5bb2732302760fd6f33d1cd9eb1505ecb22778105e62",
  initiation:
    "0100000044332211ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e" +
    "21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf752d6cf9956f6a4cc1a138d6de1e87238c" +
    "bd2c462d6bf53d96c836196ac369cb6f7205fc51ff9cb7171928227b51e07fa48796a2300ed2a670585fce00000000" +
    "000000000000000000000000",
  response:
    "02000000887766554433221195ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088" +
    "43909df13c32e69a6e9e92954a26ee52e6d63812a55298b1395ddebfffd57e99e80000000000000000000000000000" +
    "0000",
  handshakeHash: "d8a9ad659cd193209e89c60f2df0bd63dd23004d2da817a290e37ec54e9dc2b3",
  initiatorSendKey: "550e7ad836268eab13001e66b363ea04143f2912f4a5c863075546a513ae6740",
  responderSendKey: "fbd57e11a93044ea22da83105401d052396bcb009e59c445f63a82e8dac4e704",
  keepaliveToResponder: "040000008877665500000000000000000382c91a49a8cf83a69aeb24cf1372f7",
  /** 21 bytes. */
  plaintext: "000102030405060708090a0b0c0d0e0f1011121314",
  dataToResponder:
    "04000000887766550100000000000000ff95b09c6eee2555a21713d8f7e3f7e45af9fa3e55187e76" +
    "a4da429c610ed537d61b86e7e68111d579c6d33b1e68633d",
  dataToInitiator:
    "040000004433221100000000000000007330eef5ffa37ad936477380dd78d1e7671132ca9585ef00" +
    "1562f5f7bf37c4995e0b0ecbc8589b50e92baa26686bcd2e",
  cookieKeyOfResponder: "6d3aeef16e9251e8a904ae3a8926c7828239871061752e0e34bf1bd59c7d1623",
  cookieSecret: "0707070707070707070707070707070707070707070707070707070707070707",
  cookieSource: "c00002016cca",
  cookie: "2969009a150c9e0d6f3b247d381da6aa",
  cookieNonce: "000102030405060708090a0b0c0d0e0f1011121314151617",
  cookieReply:
    "0300000044332211000102030405060708090a0b0c0d0e0f1011121314151617949ab3e6f3e38eeb9ab6" +
    "53a0c5c0ed5343b9dc054d811bdbae37272f19769118",
  initiationMac2: "3304af94fb34cec9d6f65d3e7c6c5fb9",
} as const;
